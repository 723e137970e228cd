"""Blobs are looked at by a malware scanner: each once, whoever asks, and what it says is kept by digest."""

import asyncio
from collections.abc import AsyncIterable, Awaitable, Callable, Coroutine, Iterable, Mapping
from contextlib import suppress

from proxy.clock import Clock
from proxy.errors import BusyError, ManifestBlobUnknownError
from proxy.gate.content import proven
from proxy.gate.knowledge import Knowledge
from proxy.inspection.errors import InspectionFailedError
from proxy.malware.scanner import MalwareScanner
from proxy.shared_tasks import SharedTasks
from proxy.upstream.port import ContentSource, UpstreamError
from scanning.errors import UnreadableLayerError
from scanning.facts import LayerFacts, LayerRefusal
from scanning.malware import BlobScan, MalwareScan
from scanning.oci.digest import Digest
from scanning.oci.names import Repository

ScanOutcome = BlobScan | LayerRefusal
Look = Callable[[AsyncIterable[bytes], int], Awaitable[MalwareScan]]


class BlobScans:
    """What scanners said of blobs. Without a `scanner`, what is on record."""

    def __init__(
        self, knowledge: Knowledge, source: ContentSource, scanner: MalwareScanner | None, clock: Clock
    ) -> None:
        self._knowledge = knowledge
        self._source = source
        self.scanner = scanner
        self._clock = clock
        self._running = SharedTasks[Digest, ScanOutcome]()

    async def on_record(self, blobs: Iterable[Digest]) -> Mapping[Digest, BlobScan]:
        """What was said of those of `blobs` that were looked at. Raises the `StorageError` family."""
        return await self._knowledge.scans(blobs)

    def look_ahead(self, repository: Repository, layer: LayerFacts) -> None:
        """Begin to look at a layer that nobody has looked at. Nothing is raised: whoever needs to know looks again."""
        if self.scanner is not None and self._running.get(layer.digest) is None:
            self._running.begin(layer.digest, self._first_look(repository, layer))

    async def look_at(
        self, repository: Repository, blob: Digest, inspected: LayerFacts | LayerRefusal | None
    ) -> ScanOutcome:
        """Have the scanner look at a blob, of which inspection as a layer gave `inspected`, None where it is none."""
        if inspected is None:
            return await self.look_at_file(repository, blob)
        if isinstance(inspected, LayerRefusal):
            return inspected
        return await self.look_at_layer(repository, inspected)

    async def look_at_layer(self, repository: Repository, layer: LayerFacts) -> ScanOutcome:
        """Have the scanner look at every file of a layer that was inspected, in `repository`, and keep what it says;
        gives why it cannot be looked at, where that is the layer's fault.

        Raises `ManifestBlobUnknownError` where the blob is not there, `BusyError` where the scanner fails, and the
        `UpstreamError` and `StorageError` families. So does `look_at_file`.
        """
        return await self._once(repository, layer.digest, lambda: self._look_at_layer(repository, layer))

    async def look_at_file(self, repository: Repository, blob: Digest) -> ScanOutcome:
        """Have the scanner look at a blob that is one file."""
        return await self._once(repository, blob, lambda: self._look_at_file(repository, blob))

    async def _once(
        self, repository: Repository, blob: Digest, look: Callable[[], Coroutine[None, None, ScanOutcome]]
    ) -> ScanOutcome:
        begun_by_others = self._running.get(blob)
        if begun_by_others is not None:
            # What is in their repository says nothing of this one (threat 17).
            with suppress(ManifestBlobUnknownError, UpstreamError):
                return await asyncio.shield(begun_by_others)
        return await asyncio.shield(self._running.get(blob) or self._running.begin(blob, look()))

    async def _first_look(self, repository: Repository, layer: LayerFacts) -> ScanOutcome:
        known = (await self.on_record((layer.digest,))).get(layer.digest)
        return known or await self._look_at_layer(repository, layer)

    async def _look_at_layer(self, repository: Repository, layer: LayerFacts) -> ScanOutcome:
        scanner = self._needed()
        return await self._look(repository, layer.digest, lambda blob, _: scanner.scan(blob, layer), is_archive=True)

    async def _look_at_file(self, repository: Repository, blob: Digest) -> ScanOutcome:
        return await self._look(repository, blob, self._needed().scan_file, is_archive=False)

    async def _look(self, repository: Repository, blob: Digest, look: Look, *, is_archive: bool) -> ScanOutcome:
        """`look` is given what is in the blob, and how many bytes that is.

        What the scanner could not look at is not kept: the limit that stopped it may be raised.
        """
        try:
            async with self._needed().turn, self._source.open_blob(repository, blob) as stream:
                if stream is None:
                    raise ManifestBlobUnknownError(
                        f"blob {blob} is not in repository {repository}; push it before the manifest"
                    )
                said = await look(proven(stream.chunks, repository, blob), stream.size)
        except UnreadableLayerError as error:
            return LayerRefusal(blob, error.reason, error.entry, error.offset)
        except InspectionFailedError as error:
            raise BusyError(f"blob {blob} could not be scanned: {error}; try again") from error
        scan = BlobScan(blob, self._clock(), said)
        await self._knowledge.keep_scan(scan, is_archive=is_archive)
        return scan

    def _needed(self) -> MalwareScanner:
        if self.scanner is None:
            raise BusyError("there is no malware scanner")
        return self.scanner
