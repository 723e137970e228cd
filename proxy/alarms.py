"""What an operator should know although requests are answered: sentences for the warnings of /readyz.

Each says what is wrong, what comes of it, and what to do.
"""

import asyncio
import shutil
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

import structlog

from config.policy import Policy
from config.settings import Feeds
from proxy.gate.advisories import AdvisoryDesk
from proxy.gate.policy import PolicyFile
from proxy.inspection.errors import InspectionFailedError
from proxy.inspection.pool import InspectionPool
from proxy.malware.scanner import MalwareScanner
from storage.audit_spool import AuditSpool

_SCANNER_SECONDS = 60.0
"""How long clamd may take to answer: it answers nobody while it reads new signatures."""
_A_MOMENT_SECONDS = 0.5
_FREE_BYTES = 512 << 20
_FREE_SHARE = 50
"""A disk is nearly full with less than that, or less than one of so many parts of it, left."""
_WAITING_SHARE = 4
"""The audit's spool is told of from one of so many parts of its room on."""
_log = structlog.get_logger(__name__)


def of_policy(policy: PolicyFile) -> tuple[str, ...]:
    """What is wrong with the policy, or weak in it."""
    said: list[str] = []
    if policy.problem:
        said.append(f"the policy file is broken, the policy read before it stays in force: {policy.problem}")
    if not _asks_for_signatures(policy.current.policy):
        said.append("no rule of the policy asks for signatures with effect quarantine or reject")
    return tuple(said)


def of_advisories(feeds: Feeds, desk: AdvisoryDesk, now: datetime) -> tuple[str, ...]:
    """Whether there are advisories, and how old they are."""
    basis = desk.basis()
    if basis.fetched_at is None:
        return ("there is no advisory data, so vulnerable packages are not found: imagegate feeds update",)
    if now - basis.fetched_at > timedelta(hours=feeds.warn_after_hours):
        return (f"the advisory data is from {basis.fetched_at:%Y-%m-%d %H:%M} UTC: imagegate feeds update",)
    return ()


class ScannerAlarm:
    """Whether the malware scanner answers, where there is to be one. Its address is for the log only.

    clamd answers nobody while it reads new signatures, and whoever asks for the readiness does not wait that long: he
    is told what is known, and the rest by the next time.
    """

    def __init__(self, scanner: MalwareScanner | None) -> None:
        self._scanner = scanner
        self._is_silent = False
        self._asking: asyncio.Task[None] | None = None

    async def warnings(self) -> tuple[str, ...]:
        """What there is to say, in a moment."""
        if self._scanner is None:
            return ()
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask(self._scanner))
        await asyncio.wait([self._asking], timeout=_A_MOMENT_SECONDS)
        if not self._is_silent:
            return ()
        said = "clamd does not answer, so images that it has not scanned wait in quarantine; the log says why: start it"
        return (f"{said}, or correct inspection.clamd",)

    async def close(self) -> None:
        """Ask no more."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.wait([self._asking])

    async def _ask(self, scanner: MalwareScanner) -> None:
        try:
            async with asyncio.timeout(_SCANNER_SECONDS):
                await scanner.version()
            self._is_silent = False
        except (InspectionFailedError, TimeoutError) as error:
            self._is_silent = True
            _log.warning("clamd does not answer", problem=str(error) or f"no answer in {_SCANNER_SECONDS:.0f} seconds")


def of_inspection(pool: InspectionPool) -> tuple[str, ...]:
    """Whether all inspection workers live."""
    if not pool.missing:
        return ()
    said = f"{pool.missing} of {pool.size} inspection workers have died and start again, so layers wait longer"
    return (f"{said}: the log says why; where it happens again and again, they may lack memory",)


def of_audit(spool: AuditSpool) -> tuple[str, ...]:
    """Whether records wait for the database."""
    if spool.waiting * _WAITING_SHARE < spool.limit:
        return ()
    said = f"{spool.waiting:,} bytes of the audit wait for the database; from {spool.limit:,} on nothing is pulled"
    return (f"{said}: check that the database takes writes, or raise audit.spool_bytes",)


async def of_disks(folders: Iterable[Path]) -> tuple[str, ...]:
    """Which of the disks that hold `folders` are nearly full."""
    return await asyncio.to_thread(_of_disks, tuple(folders))


def _of_disks(folders: Iterable[Path]) -> tuple[str, ...]:
    said: dict[int, str] = {}
    for folder in folders:
        try:
            disk, device = shutil.disk_usage(folder), folder.stat().st_dev
        except OSError:
            continue  # what is not there takes no room; what cannot be read is told of by who needs it
        if disk.free < max(_FREE_BYTES, disk.total // _FREE_SHARE):
            said[device] = (
                f"the disk of {folder.name} is nearly full, {disk.free >> 20:,} MiB are left, and without room nothing"
                " is pushed or recorded: make room (imagegate registry gc, imagegate feeds prune), or a larger disk"
            )
    return tuple(said.values())


def _asks_for_signatures(policy: Policy) -> bool:
    wanted = (rule.require.signatures for rule in policy.rules)
    return any(signatures is not None and signatures.effect != "warn" for signatures in wanted)
