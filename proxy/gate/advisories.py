"""What the advisories in force say of an image. The files are read in threads, never on the event loop."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import structlog

from config.errors import ImagegateError
from proxy.ahead import AHEAD
from scanning.advisories.enrichment import enrich, names
from scanning.advisories.matching import keys, match
from scanning.advisories.model import AdvisoryBasis, AdvisoryReport
from scanning.facts import ImageFacts
from scanning.oci.digest import Digest
from storage.snapshot import Snapshot
from storage.snapshots import Snapshots

_TIME_HOLDS = timedelta(seconds=5)
"""How long the highest time seen is not read again from its file, while the clock goes on."""
_LOOK_AGAIN = timedelta(seconds=3)
_log = structlog.get_logger(__name__)


class AdvisoryDesk:
    """Answers from the snapshot in force, or from the old one that a verdict names."""

    def __init__(self, snapshots: Snapshots) -> None:
        """Open the snapshot in force. Raises `SnapshotError` if it is damaged."""
        self._snapshots = snapshots
        self._current = snapshots.current()
        self._clock_seen = self._highest = datetime.min.replace(tzinfo=UTC)
        self._observing = asyncio.Lock()
        self._looking: asyncio.Task[None] | None = None

    @property
    def in_force(self) -> Digest | None:
        """The digest of the snapshot in force; None before the first import."""
        return self._current.digest if self._current else None

    def basis(self) -> AdvisoryBasis:
        """How good the data in force is."""
        return self._current.basis() if self._current else AdvisoryBasis()

    async def now(self, clock: datetime) -> datetime:
        """The time to judge at: `clock`, or the highest time ever seen where the clock was set back (threat 79)."""
        now = self.now_at_once(clock)
        if now is not None:
            return now
        async with self._observing:  # one look for all who come at the same time
            return self.now_at_once(clock) or await self._observe(clock)

    def now_at_once(self, clock: datetime) -> datetime | None:
        """The time to judge at, where that can be told without reading a file; else None.

        Call it on the event loop: where it is asked for all the time, the file is read before it must be.
        """
        if not self._clock_seen <= clock < self._clock_seen + _TIME_HOLDS:
            return None
        if clock >= self._clock_seen + _LOOK_AGAIN and self._looking is None:
            self._looking = asyncio.create_task(self._look_ahead(clock), name=AHEAD)
        return max(self._highest, clock)

    async def _look_ahead(self, clock: datetime) -> None:
        try:
            async with self._observing:
                await self._observe(clock)
        except ImagegateError:
            return  # whoever asks once it must be read is told
        finally:
            self._looking = None

    async def _observe(self, clock: datetime) -> datetime:
        self._highest = await asyncio.to_thread(self._snapshots.observe, clock)
        self._clock_seen = clock
        return max(self._highest, clock)

    async def report(self, facts: ImageFacts) -> AdvisoryReport:
        """What the snapshot in force says of an image."""
        return await asyncio.to_thread(_report, self._current, facts)

    async def report_of(self, snapshot: Digest | None, facts: ImageFacts) -> AdvisoryReport:
        """What an old snapshot (None: no data at all) says of an image. Raises `SnapshotError` if it is gone."""
        return await asyncio.to_thread(_report, await self._open(snapshot), facts)

    async def basis_of(self, snapshot: Digest | None) -> AdvisoryBasis:
        """How good the data of an old snapshot is. Raises `SnapshotError` if it is gone."""
        opened = await self._open(snapshot)
        return opened.basis() if opened else AdvisoryBasis()

    async def watch(self, changed: Callable[[], Awaitable[None]], seconds: float = 1.0) -> None:
        """Look for a new snapshot every `seconds` for ever; call `changed` after one came into force."""
        while True:
            await asyncio.sleep(seconds)
            await self.reload_if_changed(changed)

    async def reload_if_changed(self, changed: Callable[[], Awaitable[None]]) -> None:
        """Take the snapshot that another process or task has published, if there is a new one."""
        try:
            newest = await asyncio.to_thread(self._snapshots.current)
            if (newest.digest if newest else None) == self.in_force:
                return
            self._current = newest
            _log.info("advisories in force", snapshot=str(self.in_force))
            await changed()
        except ImagegateError as error:
            _log.error("the advisory snapshot in force stays", problem=str(error))

    async def _open(self, snapshot: Digest | None) -> Snapshot | None:
        return await asyncio.to_thread(self._snapshots.open, snapshot) if snapshot else None


def _report(snapshot: Snapshot | None, facts: ImageFacts) -> AdvisoryReport:
    if snapshot is None:
        return AdvisoryReport(AdvisoryBasis(), (), tuple(package.purl for package in facts.packages))
    wanted = keys(facts.packages, facts.distribution)
    basis = snapshot.basis({ecosystem for ecosystem, _ in wanted})
    found = match(facts.packages, facts.distribution, snapshot.lookup(wanted), basis)
    if cves := names(found):
        found = enrich(found, snapshot.exploited(cves), snapshot.forecasts(cves))
    return replace(found, release=snapshot.release(facts.distribution)) if facts.distribution else found
