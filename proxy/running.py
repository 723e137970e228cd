"""A gate from start to end: opens everything in the settings, keeps it up to date, and closes it in reverse order."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

from config.defaults import Profile
from config.settings import Settings
from proxy import alarms
from proxy.background import Background, Job
from proxy.clock import SteadyClock, utc_now
from proxy.denials import Denials
from proxy.gate.advisories import AdvisoryDesk
from proxy.gate.approvals import ApprovalDesk
from proxy.gate.attached_sboms import attachment_warnings
from proxy.gate.build import GateParts, build_gate
from proxy.gate.claims import ReadingClaims
from proxy.gate.pace import UploadPace, shared_weights
from proxy.gate.policy import PolicyFile, write_profile
from proxy.gate.replay import Replay
from proxy.gate.waiving import in_force_now
from proxy.inspection.build import inspection_pool
from proxy.inspection.places import Places
from proxy.inspection.shared_template import SharedEnd
from proxy.malware.build import malware_scanner
from proxy.services import Parts, Services, assemble
from proxy.serving.board import Board
from proxy.serving.colleagues import Colleagues
from proxy.serving.seats import Seat, upload_places
from proxy.serving.tls import ServerTls
from proxy.state_folder import Claim, make_state_folder
from proxy.timekeeping import Timekeeping
from proxy.upstream.build import build_upstream
from proxy.upstream.routed import RoutedUpstream
from storage.audit_spool import AuditSpool
from storage.content.build import build_content
from storage.content.port import ContentStore
from storage.database import Database
from storage.snapshots import Snapshots

_ALONE = Seat()
_BUSY_BYTES_PER_PROCESSOR = 32 << 20
"""Uploaded in a second: two processors are kept busy by less than a gigabit a second, four have time to inspect."""


@dataclass(frozen=True, slots=True)
class _Shared:
    """What several serving processes have together; of one alone its own."""

    places: Places | None
    pace: UploadPace
    claims: ReadingClaims
    template: SharedEnd | None


@dataclass(frozen=True, slots=True)
class _Opened:
    """All that a gate stands on, open until the stack is left that it was opened on."""

    parts: GateParts
    upstream: RoutedUpstream
    content: ContentStore
    snapshots: Snapshots
    timekeeping: Timekeeping
    scanner_alarm: alarms.ScannerAlarm
    tls: ServerTls | None
    claim: Claim | None


@asynccontextmanager
async def running(
    settings: Settings, seat: Seat = _ALONE, board: Board | None = None, template: SharedEnd | None = None
) -> AsyncIterator[Services]:
    """Open a gate and keep it up to date while the caller uses it.

    Where several processes serve, this one has `seat`, tells the others on `board`, and has its inspection workers from
    their `template`. Raises `ConfigurationError`,
    `StorageError`, or `InspectionFailedError` if it cannot start.
    """
    prepare(settings)
    async with AsyncExitStack() as stack:
        opened = await _open(settings, stack, _shared(settings, seat, board, template, stack), leads=seat.leads)
        parts, tls = opened.parts, opened.tls
        gate = build_gate(parts)
        colleagues = Colleagues(board, seat, parts.pool.check) if board else None
        services = await assemble(
            settings,
            Parts(
                parts.database,
                opened.upstream,
                gate,
                colleagues.check_inspection if colleagues else parts.pool.check,
                parts.spool.check,
                parts.denials,
                partial(_warnings, settings, opened, colleagues),
                parts.policy,
                Replay(parts.database, parts.advisories),
                opened.upstream.further_checks,
                tls,
                colleagues,
            ),
            clock=parts.clock,
        )
        stack.push_async_callback(services.close)
        services.metrics.watch_audit(lambda: parts.spool.waiting)
        background = Background(settings, parts, opened.snapshots, opened.content, gate, leads=seat.leads)
        further: list[Job] = [opened.timekeeping.keep, services.uses.keep_writing, *([tls.watch] if tls else [])]
        if colleagues:
            further.append(partial(colleagues.keep_posting, services.metrics))
        await stack.enter_async_context(background.at_work(further))
        yield services


def _shared(
    settings: Settings, seat: Seat, board: Board | None, template: SharedEnd | None, stack: AsyncExitStack
) -> _Shared:
    places = None
    if board is not None and (count := upload_places(settings, seat.of)):
        places = Places(board.places, count)
        stack.callback(places.close)
    claims = ReadingClaims(board.claims if board else None)
    stack.callback(claims.close)
    return _Shared(places, _pace(settings, seat, board), claims, template)


async def _open(settings: Settings, stack: AsyncExitStack, shared: _Shared, *, leads: bool) -> _Opened:
    """What can be told to be wrong without opening anything comes first."""
    policy = PolicyFile(settings.policy_path)
    tls = ServerTls(settings.listen, utc_now) if settings.listen.tls_cert_file else None
    claim = Claim(settings.state_dir) if leads else None
    if claim is not None:
        stack.callback(claim.close)
        await asyncio.to_thread(claim.warnings)
    database = await Database.open(settings.database)
    stack.push_async_callback(database.close)
    clock = SteadyClock()
    timekeeping = Timekeeping(database, clock)
    await timekeeping.load()
    content = build_content(settings.content, settings.content_path)
    upstream = build_upstream(settings, database, content)
    stack.push_async_callback(upstream.close)
    pool = inspection_pool(settings.inspection, places=shared.places, shared=shared.template)
    stack.push_async_callback(pool.close)
    await pool.start()
    await policy.take(partial(in_force_now, database, clock))
    snapshots = Snapshots(settings.advisories_path)
    approvals = ApprovalDesk(database)
    await approvals.load()
    spool = AuditSpool(settings.audit_path, database, settings.audit.spool_bytes)
    stack.push_async_callback(spool.close)
    scanner = malware_scanner(settings.inspection)
    scanner_alarm = alarms.ScannerAlarm(scanner)
    stack.push_async_callback(scanner_alarm.close)
    throttle, registry, inspection = settings.throttle, settings.registry, settings.inspection
    parts = GateParts(
        database,
        upstream,
        pool,
        policy,
        AdvisoryDesk(snapshots),
        approvals,
        clock,
        settings.public_origin,
        spool,
        Denials(spool.append, most=throttle.refusals, seconds=throttle.window_seconds, monotonic=time.monotonic),
        observes_uploads=inspection.mode == "inline",
        pace=shared.pace,
        fresh=timedelta(seconds=registry.fresh_seconds),
        scanner=scanner,
        record_quotas=registry.record_quotas,
        records_per_repository=registry.records_per_repository,
        rescan_every=timedelta(hours=inspection.clamd_rescan_hours),
        claims=shared.claims,
    )
    return _Opened(parts, upstream, content, snapshots, timekeeping, scanner_alarm, tls, claim)


async def _warnings(settings: Settings, opened: _Opened, colleagues: Colleagues | None) -> tuple[str, ...]:
    """What the operator should know."""
    parts = opened.parts
    return (
        *(await asyncio.to_thread(opened.claim.warnings) if opened.claim else ()),
        *alarms.of_policy(parts.policy),
        *alarms.of_advisories(settings.feeds, parts.advisories, utc_now()),
        *opened.timekeeping.warnings(),
        *alarms.of_inspection(parts.pool),
        *alarms.of_audit(parts.spool),
        *await opened.scanner_alarm.warnings(),
        *await alarms.of_disks(_folders(settings)),
        *(opened.tls.warnings() if opened.tls else ()),
        *(await colleagues.warnings() if colleagues else ()),
        *(await attachment_warnings(parts.database)),
    )


def _folders(settings: Settings) -> tuple[Path, ...]:
    """Where the gate keeps what it needs room for; folders that are not there are in a bucket, or not used."""
    return settings.state_dir, settings.content_path, settings.cache_path, settings.advisories_path


def _pace(settings: Settings, seat: Seat, board: Board | None) -> UploadPace:
    """How fast uploads come to all processes. Where they pass at the pace of inspection, they are never too fast."""
    if settings.inspection.mode == "inline":
        return UploadPace()
    busy_rate = _BUSY_BYTES_PER_PROCESSOR * (os.cpu_count() or 1)
    return UploadPace(busy_rate, weights=shared_weights(board.pace, seat.of) if board else None, seat=seat.number)


def prepare(settings: Settings) -> None:
    """Make the state folder and the policy where there are none yet. Raises `StorageUnavailableError`."""
    make_state_folder(settings.state_dir)
    path = settings.policy_path
    if not settings.policy_file and not path.exists():
        write_profile(Profile.EVALUATION, path)
