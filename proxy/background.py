"""What goes on beside the requests of a gate, for as long as it serves."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial

import structlog

from config.errors import ImagegateError
from config.settings import Settings
from config.wording import counted
from proxy.clock import utc_now
from proxy.collecting import clear_and_record, of_blobs, of_records
from proxy.feeds import pruning
from proxy.feeds.fetch import Sources, feed_session, update
from proxy.gate.attached_sboms import SbomAttachment
from proxy.gate.build import GateParts
from proxy.gate.gate import Gate
from proxy.gate.policy import PolicyInForce
from proxy.identity.administrator import ITSELF
from proxy.memory import keep_giving_back
from proxy.registry.sessions import LIFETIME_SECONDS
from storage import audit, documents
from storage.audit import Event
from storage.content.port import ContentStore
from storage.snapshots import Snapshots

_UPLOADS_LIVE = timedelta(seconds=LIFETIME_SECONDS, hours=1)
"""Nobody can go on with what is older."""
_SWEEP_EVERY = timedelta(hours=1)
_LOOK_FOR_UNJUDGED = timedelta(seconds=10)
_LOOK_FOR_DUE = timedelta(seconds=30)
_BEGIN_AGAIN_SECONDS = 10.0
Job = Callable[[], Awaitable[None]]
_log = structlog.get_logger(__name__)


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
        digest, exceptions = str(policy.digest), len(self._policy.exceptions)
        beside = f" with {counted(exceptions, 'exception')} on record" if exceptions else ""
        where = f"{self._settings.policy_path}{beside}"
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
