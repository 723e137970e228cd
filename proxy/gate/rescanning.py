"""Blobs that a malware scanner called clean are looked at again, when it may know more than it did.

    settle      something was found: all that has the blob is judged again
    look again  the oldest scans first, one blob at a time, and never more than half of the time

All of it is on record, so a gate that is stopped goes on where it was, and several on one database share the work.
"""

import asyncio
from collections.abc import Callable
from datetime import timedelta

import structlog

from config.errors import ImagegateError
from proxy.clock import Clock
from proxy.errors import BusyError, ManifestBlobUnknownError
from proxy.gate.blob_scans import BlobScans, ScanOutcome
from proxy.gate.layers import LayerInspector
from proxy.gate.pace import UploadPace
from proxy.gate.promotion import Promotion
from proxy.pauses import Pauses
from scanning.facts import LayerRefusal
from scanning.oci.digest import Digest
from scanning.oci.names import Repository
from storage import malware_scans, manifests
from storage.database import Database
from storage.malware_scans import FoundIn, ScannedBlob

_LOOK_EVERY = timedelta(minutes=1)
_SETTLE_EVERY_SECONDS = 5.0
_AT_A_TIME = 50
_TRY_AGAIN = timedelta(hours=1)
"""When a blob is looked at again that somebody began to look at, and did not get done."""
_STILL_JUDGED = timedelta(minutes=10)
"""How long an image may still be judged with what was known of its blobs when that began."""
_UNUSED = timedelta(days=1)
"""How long what was said of a blob is kept that no manifest refers to: it may be about to be pushed."""
_MOST_PLACES = 3
_log = structlog.get_logger(__name__)


class Rescanning:
    """Looks again at what was scanned longer ago than `every` (zero: never), while uploads leave time for that."""

    def __init__(
        self,
        database: Database,
        scans: BlobScans,
        layers: LayerInspector,
        promotion: Promotion,
        clock: Clock,
        every: timedelta,
        pace: UploadPace,
        monotonic: Callable[[], float],
    ) -> None:
        self._database = database
        self._scans = scans
        self._layers = layers
        self._promotion = promotion
        self._clock = clock
        self._every = every
        self._pace = pace
        self._monotonic = monotonic
        self._pauses = Pauses[FoundIn](monotonic)
        self._judged: set[FoundIn] = set()

    async def keep_settling(self) -> None:
        """Judge again what has a blob in which something was found, for ever."""
        while True:
            try:
                await self.settle()
            except ImagegateError as error:
                _log.error("what has malware is not judged again yet", problem=str(error))
            await asyncio.sleep(_SETTLE_EVERY_SECONDS)

    async def keep_looking(self) -> None:
        """Look again at what is due, for ever."""
        while self._scans.scanner is not None and self._every:
            try:
                while await self.look_again():
                    pass
            except ImagegateError as error:
                _log.warning("what was scanned is not looked at again yet", problem=str(error))
            await asyncio.sleep(_LOOK_EVERY.total_seconds())

    async def settle(self) -> None:
        """Judge all again that has a blob in which something was found, now and once more a while later: what was being
        judged meanwhile may have been told that the blob is clean. What cannot be judged now is tried again.

        Raises the `StorageError` family.
        """
        async with self._database.snapshot() as tx:
            unsettled = await malware_scans.unsettled(tx)
            holders = await manifests.holding(tx, [found.blob for found in unsettled]) if unsettled else {}
        self._judged &= set(unsettled)
        self._pauses.keep_only(unsettled)
        for found in unsettled:
            is_last = self._clock() - found.since >= _STILL_JUDGED
            if not self._pauses.is_due(found) or (found in self._judged and not is_last):
                continue
            _log.warning("malware found", blob=str(found.blob), scanner=found.scan.scanner, found=found.scan.found)
            if not all([await self._judge_again(*holder) for holder in holders[found.blob]]):
                self._pauses.failed(found)
                continue
            self._judged.add(found)
            if is_last:
                async with self._database.transaction() as tx:
                    await malware_scans.settle(tx, found)

    async def look_again(self) -> bool:
        """Look again at some of what is due; False where nothing is.

        Raises `InspectionFailedError` where the scanner does not answer, and the `StorageError` family.
        """
        scanner = self._scans.scanner
        if scanner is None or not self._every:
            return False
        version = await scanner.version()
        now = self._clock()
        async with self._database.snapshot() as tx:
            due = await malware_scans.outdated(
                tx,
                scanner=version if "/" in version else "",  # else it does not tell how old its signatures are
                before=now - self._every,
                tried_before=now - _TRY_AGAIN,
                limit=_AT_A_TIME,
            )
            holders = await manifests.holding(tx, [blob.digest for blob in due]) if due else {}
        for blob in due:
            repositories = tuple(dict.fromkeys(repository for repository, _ in holders[blob.digest]))
            await self._look_at_one(blob, repositories)
        return bool(due)

    async def _look_at_one(self, blob: ScannedBlob, repositories: tuple[Repository, ...]) -> None:
        await self._pace.calm()
        now = self._clock()
        async with self._database.transaction() as tx:
            if not repositories and blob.scanned_at < now - _UNUSED:
                await malware_scans.forget(tx, blob.digest)
            elif not await malware_scans.claim(tx, blob.digest, tried_before=now - _TRY_AGAIN, now=now):
                return
        began = self._monotonic()
        for repository in repositories[:_MOST_PLACES]:
            try:
                outcome = await self._look(repository, blob)
            except ManifestBlobUnknownError:
                continue  # it was deleted there
            except BusyError:
                raise
            except ImagegateError as error:
                _log.warning("blob not scanned again", blob=str(blob.digest), problem=str(error))
            else:
                if isinstance(outcome, LayerRefusal):
                    _log.warning("blob cannot be scanned any more", blob=str(blob.digest), problem=outcome.reason)
            break
        await asyncio.sleep(self._monotonic() - began)

    async def _look(self, repository: Repository, blob: ScannedBlob) -> ScanOutcome:
        inspected = None
        if blob.is_archive:
            inspected = (await self._layers.outcomes(repository, (blob.digest,)))[blob.digest]
        return await self._scans.look_at(repository, blob.digest, inspected)

    async def _judge_again(self, repository: Repository, digest: Digest) -> bool:
        try:
            await self._promotion.reconsider(repository, digest)
        except ImagegateError as error:
            image = f"{repository}@{digest}"
            _log.error("an image with malware is not judged again yet", image=image, problem=str(error))
            return False
        return True
