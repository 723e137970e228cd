"""A gate from start to end: opens everything in the settings, keeps it up to date, and closes it in reverse order."""

import asyncio
import math
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path

import structlog

from config.defaults import Profile
from config.errors import ImagegateError
from config.settings import Settings
from proxy import alarms
from proxy.clock import SteadyClock, utc_now
from proxy.collecting import clear_and_record, of_blobs, of_records
from proxy.denials import Denials
from proxy.feeds import pruning
from proxy.feeds.fetch import Sources, feed_session, update
from proxy.gate.advisories import AdvisoryDesk
from proxy.gate.approvals import ApprovalDesk
from proxy.gate.attached_sboms import SbomAttachment, attachment_warnings
from proxy.gate.build import GateParts, build_gate
from proxy.gate.gate import Gate
from proxy.gate.policy import PolicyFile, PolicyInForce, write_profile
from proxy.gate.replay import Replay
from proxy.identity.administrator import ITSELF
from proxy.inspection.build import inspection_pool
from proxy.malware.build import malware_scanner
from proxy.memory import keep_giving_back
from proxy.registry.sessions import LIFETIME_SECONDS
from proxy.services import Parts, Services, assemble
from proxy.serving.board import Board
from proxy.serving.colleagues import Colleagues
from proxy.serving.seats import Seat
from proxy.serving.tls import ServerTls
from proxy.state_folder import make_state_folder
from proxy.timekeeping import Timekeeping
from proxy.upstream.build import build_upstream
from storage import audit, documents
from storage.audit import Event
from storage.audit_spool import AuditSpool
from storage.content.build import build_content
from storage.content.port import ContentStore
from storage.database import Database
from storage.snapshots import Snapshots

_UPLOADS_LIVE = timedelta(seconds=LIFETIME_SECONDS, hours=1)
"""Nobody can go on with what is older."""
_SWEEP_EVERY = timedelta(hours=1)
_LOOK_FOR_UNJUDGED = timedelta(seconds=10)
_LOOK_FOR_DUE = timedelta(seconds=30)
_ALONE = Seat()
_BUSY_BYTES_PER_PROCESSOR = 32 << 20
"""Uploaded in a second: two processors are kept busy by less than a gigabit a second, four have time to inspect."""
_BEGIN_AGAIN_SECONDS = 10.0
Job = Callable[[], Awaitable[None]]
_log = structlog.get_logger(__name__)


@asynccontextmanager
async def running(settings: Settings, seat: Seat = _ALONE, board: Board | None = None) -> AsyncIterator[Services]:
    """Open a gate and keep it up to date while the caller uses it.

    Where several processes serve, this one has `seat`, and tells the others on `board`. Raises `ConfigurationError`,
    `StorageError`, or `InspectionFailedError` if it cannot start.
    """
    prepare(settings)
    async with AsyncExitStack() as stack:
        policy = PolicyFile(settings.policy_path)
        tls = ServerTls(settings.listen, utc_now) if settings.listen.tls_cert_file else None
        database = await Database.open(settings.database)
        stack.push_async_callback(database.close)
        clock = SteadyClock()
        timekeeping = Timekeeping(database, clock)
        await timekeeping.load()
        content = build_content(settings.content, settings.content_path)
        upstream = build_upstream(settings, database, content)
        stack.push_async_callback(upstream.close)
        pool = inspection_pool(settings.inspection)
        stack.push_async_callback(pool.close)
        await pool.start()
        snapshots = Snapshots(settings.advisories_path)
        desk = AdvisoryDesk(snapshots)
        approvals = ApprovalDesk(database)
        await approvals.load()
        spool = AuditSpool(settings.audit_path, database, settings.audit.spool_bytes)
        stack.push_async_callback(spool.close)
        denials = Denials(
            spool.append,
            most=settings.throttle.refusals,
            seconds=settings.throttle.window_seconds,
            monotonic=time.monotonic,
        )
        scanner = malware_scanner(settings.inspection)
        scanner_alarm = alarms.ScannerAlarm(scanner)
        stack.push_async_callback(scanner_alarm.close)
        parts = GateParts(
            database,
            upstream,
            pool,
            policy,
            desk,
            approvals,
            clock,
            settings.public_origin,
            spool,
            denials,
            observes_uploads=settings.inspection.mode == "inline",
            busy_upload_rate=_busy_upload_rate(settings),
            fresh=timedelta(seconds=settings.registry.fresh_seconds),
            scanner=scanner,
            record_quotas=settings.registry.record_quotas,
            records_per_repository=settings.registry.records_per_repository,
            rescan_every=timedelta(hours=settings.inspection.clamd_rescan_hours),
        )
        gate = build_gate(parts)

        colleagues = Colleagues(board, seat, pool.check) if board else None

        async def warnings() -> tuple[str, ...]:
            return (
                *alarms.of_policy(policy),
                *alarms.of_advisories(settings.feeds, desk, utc_now()),
                *timekeeping.warnings(),
                *alarms.of_inspection(pool),
                *alarms.of_audit(spool),
                *await scanner_alarm.warnings(),
                *await alarms.of_disks(_folders(settings)),
                *(tls.warnings() if tls else ()),
                *(await colleagues.warnings() if colleagues else ()),
                *(await attachment_warnings(database)),
            )

        services = await assemble(
            settings,
            Parts(
                database,
                upstream,
                gate,
                colleagues.check_inspection if colleagues else pool.check,
                spool.check,
                denials,
                warnings,
                upstream.further_checks,
                tls,
                colleagues,
                Replay(database, desk).explained,
            ),
            clock=clock,
        )
        stack.push_async_callback(services.close)
        services.metrics.watch_audit(lambda: spool.waiting)
        background = Background(settings, parts, snapshots, content, gate, leads=seat.leads)
        further: list[Job] = [timekeeping.keep, *([tls.watch] if tls else [])]
        if colleagues:
            further.append(partial(colleagues.keep_posting, services.metrics))
        await stack.enter_async_context(background.at_work(further))
        yield services


def _folders(settings: Settings) -> tuple[Path, ...]:
    """Where the gate keeps what it needs room for; folders that are not there are in a bucket, or not used."""
    return settings.state_dir, settings.content_path, settings.cache_path, settings.advisories_path


def _busy_upload_rate(settings: Settings) -> float:
    """Bytes a second that give this process all it can do; none do where uploads pass at the pace of inspection."""
    if settings.inspection.mode == "inline":
        return math.inf
    return _BUSY_BYTES_PER_PROCESSOR * (os.cpu_count() or 1) / settings.listen.workers


class Background:
    """What goes on beside the requests. Where several processes serve, one `leads`, and does what one alone must do."""

    def __init__(
        self,
        settings: Settings,
        parts: GateParts,
        snapshots: Snapshots,
        content: ContentStore,
        gate: Gate,
        *,
        leads: bool,
    ) -> None:
        self._settings = settings
        self._leads = leads
        self._database = parts.database
        self._policy = parts.policy
        self._desk = parts.advisories
        self._approvals = parts.approvals
        self._pool = parts.pool
        self._snapshots = snapshots
        self._content = content
        self._promotion = gate.promotion
        self._rescanning = gate.rescanning
        self._attachment = SbomAttachment(
            parts.database, parts.upstream, gate, lambda: parts.policy.current, parts.clock
        )
        self._spool = parts.spool
        self._clock = parts.clock

    @asynccontextmanager
    async def at_work(self, further: Iterable[Job] = ()) -> AsyncIterator[None]:
        """Watch policy, advisories and approvals, promote what may go upstream, attach bills of materials, look for
        malware again, refresh feeds, and do what is `further` given; until left.
        """
        jobs: list[Job] = [
            partial(self._policy.watch, self._policy_changed),
            partial(self._desk.watch, self._reconsider),
            partial(self._approvals.watch, self._reconsider),
            self._spool.keep_draining,
            keep_giving_back,
            *further,
        ]
        if self._leads:
            jobs += [self._reconsider, self._sweep_uploads, self._judge_unjudged, self._judge_due]
            jobs += [self._attachment.keep_attaching, self._rescanning.keep_settling, self._rescanning.keep_looking]
        if self._leads and self._settings.content.collect_hours:
            jobs.append(self._clear)
        if self._leads and self._settings.feeds.refresh_hours:
            jobs.append(self._refresh_feeds)
        tasks = [asyncio.create_task(keep_up(job)) for job in jobs]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _policy_changed(self, policy: PolicyInForce) -> None:
        if not self._leads:
            return
        where, digest = str(self._settings.policy_path), str(policy.digest)
        record = ITSELF.record(utc_now(), Event.POLICY_CHANGED, outcome="in force", digest=digest, detail=where)
        async with self._database.transaction() as tx:
            await documents.put(tx, policy.text)
            await audit.append(tx, record)
        await self._reconsider()

    async def _reconsider(self) -> None:
        if not self._leads:
            return
        try:
            await self._promotion.reconsider_all()
        except ImagegateError as error:
            _log.error("what is held was not judged again", problem=str(error))

    async def _judge_unjudged(self) -> None:
        """Judge what was pushed while inspection failed, once it works again."""
        while True:
            await asyncio.sleep(_LOOK_FOR_UNJUDGED.total_seconds())
            try:
                await self._pool.check()
                await self._promotion.judge_unjudged()
            except ImagegateError as error:
                _log.warning("what waits unjudged goes on waiting", problem=str(error))

    async def _judge_due(self) -> None:
        """Judge what is held again when time alone may have changed the answer."""
        while True:
            await asyncio.sleep(_LOOK_FOR_DUE.total_seconds())
            try:
                await self._promotion.judge_due(await self._desk.now(self._clock()))
            except ImagegateError as error:
                _log.warning("what waits for its time goes on waiting", problem=str(error))

    async def _sweep_uploads(self) -> None:
        """Remove uploads that nobody has added to for a long time."""
        while True:
            try:
                swept = await self._content.sweep(utc_now() - _UPLOADS_LIVE)
                if swept:
                    _log.info("uploads given up", count=swept)
            except ImagegateError as error:
                _log.error("uploads not swept", problem=str(error))
            await asyncio.sleep(_SWEEP_EVERY.total_seconds())

    async def _clear(self) -> None:
        """Remove what no manifest of the embedded registry refers to, and records of what is long gone."""
        while True:
            try:
                cleared = await clear_and_record(self._database, self._content, self._settings, utc_now(), ITSELF)
                if cleared.records:
                    _log.info("old records forgotten", what=of_records(cleared.records))
                if cleared.blobs:
                    _log.info("blobs collected", what=of_blobs(cleared.blobs))
            except ImagegateError as error:
                _log.error("what nobody needs was not all removed", problem=str(error))
            await asyncio.sleep(timedelta(hours=self._settings.content.collect_hours).total_seconds())

    async def _refresh_feeds(self) -> None:
        feeds = self._settings.feeds
        async with feed_session() as session:
            while True:
                try:
                    report = await update(Sources.of(feeds), self._snapshots, session, utc_now())
                    async with self._database.transaction() as tx:
                        await audit.append(tx, report.record(utc_now(), ITSELF, f"refresh from {feeds.url}"))
                    for result in report.results:
                        if result.problem:
                            _log.error("advisories not refreshed", ecosystem=result.ecosystem, problem=result.problem)
                    pruned = await pruning.prune_and_record(
                        self._database, self._snapshots, feeds.keep_days, utc_now(), ITSELF
                    )
                    if pruned:
                        _log.info("old advisory data removed", what=pruning.sentence(pruned))
                except ImagegateError as error:
                    _log.error("advisories not refreshed", problem=str(error))
                await asyncio.sleep(timedelta(hours=feeds.refresh_hours).total_seconds())


async def keep_up(job: Job, pause: float = _BEGIN_AGAIN_SECONDS) -> None:
    """Do a job until it is done. One that fails begins again after `pause` seconds.

    What a job does not expect is a mistake of ours. It must not end in silence, nor end what everybody relies on.
    """
    while True:
        try:
            await job()
        except Exception:  # noqa: BLE001 - whatever it is, the others rely on the job
            _log.critical("a background job failed, and begins again", seconds=pause, exc_info=True)
            await asyncio.sleep(pause)
        else:
            return


def prepare(settings: Settings) -> None:
    """Make the state folder and the policy where there are none yet. Raises `StorageUnavailableError`."""
    make_state_folder(settings.state_dir)
    path = settings.policy_path
    if not settings.policy_file and not path.exists():
        write_profile(Profile.EVALUATION, path)
