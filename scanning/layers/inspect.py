"""One pass over a layer, in two stages: the blob becomes an archive, and the archive tells its facts.

    Unpacking        blob bytes -> sha256
                                -> Decompressor -> archive bytes
    ArchiveReading   archive bytes -> sha256 (diffID)
                                   -> TarReader -> LayerTree     (entries, whiteouts)
                                                -> FileExaminer  (finds)

Each stage costs about as much as the other, so whoever is in a hurry runs them side by side (the inspection workers
do); `inspect_layer` runs them in turns. Nothing is written anywhere and no file is held: data passes in pieces
(threat 55). Which files are read, and how much of them is kept, is the examiner's affair.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from scanning.errors import LimitExceededError
from scanning.facts import EntryKind, FileEntry, FileFinds, LayerFacts
from scanning.layers.compression import Decompressor
from scanning.layers.limits import InspectionLimits
from scanning.layers.tar import END_OF_ENTRY, TarReader
from scanning.layers.tree import LayerTree
from scanning.oci.digest import Digest

_LINKS = frozenset({EntryKind.SYMLINK, EntryKind.HARDLINK})


@dataclass(frozen=True, slots=True)
class BlobFacts:
    """What the first stage has computed of a blob."""

    digest: Digest
    compression: str
    size: int
    uncompressed_size: int


class FileExamination(Protocol):
    """Reads one regular file as it passes."""

    def feed(self, chunk: bytes | memoryview) -> None:
        """Take the next piece. It is only valid during the call."""

    def finish(self) -> FileFinds | None:
        """Say what the file told, None if nothing."""


class FileExaminer(Protocol):
    """Chooses which files of a layer to read."""

    def begin(self, entry: FileEntry) -> FileExamination | None:
        """Begin a regular file; None if it cannot tell anything."""

    def examine_link(self, entry: FileEntry) -> FileFinds | None:
        """Say what a symbolic or hard link tells by its names alone."""


class Unpacking:
    """The first stage: the digest and size of one blob, and its archive. Use it once."""

    def __init__(self, limits: InspectionLimits) -> None:
        self._limits = limits
        self._hash = hashlib.sha256()
        self._size = 0
        self._uncompressed_size = 0
        self._decompressor = Decompressor(limits)

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Take the next bytes of the blob; yield what they make known of the archive.

        Raises `UnreadableLayerError` where the layer is refused, `NotALayerError` if it is no layer at all,
        `LimitExceededError` if it is too much. Nothing may be fed after that.
        """
        self._hash.update(chunk)
        self._size += len(chunk)
        yield from self._bounded(self._decompressor.feed(chunk))

    def finish(self) -> Iterator[bytes]:
        """Say that the blob ends here; yield the rest of its archive. Raises as `feed` does."""
        return self._bounded(self._decompressor.finish())

    @property
    def blob(self) -> BlobFacts:
        """What the blob is, once it is finished."""
        digest = Digest("sha256", self._hash.hexdigest())
        return BlobFacts(digest, self._decompressor.compression, self._size, self._uncompressed_size)

    def _bounded(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        limits = self._limits
        for piece in pieces:
            self._uncompressed_size += len(piece)
            out = self._uncompressed_size
            if out > limits.uncompressed_bytes:
                raise LimitExceededError("uncompressed_bytes", limits.uncompressed_bytes)
            if out > limits.ratio_grace_bytes and out > limits.ratio * self._size:
                raise LimitExceededError("ratio", limits.ratio)
            yield piece


class ArchiveReading:
    """The second stage: what one archive holds, and its diffID. Use it once."""

    def __init__(self, limits: InspectionLimits, examiner: FileExaminer) -> None:
        self._examiner = examiner
        self._hash = hashlib.sha256()
        self._reader = TarReader(limits)
        self._tree = LayerTree(limits)
        self._finds: list[FileFinds] = []
        self._examination: FileExamination | None = None

    def feed(self, piece: bytes) -> None:
        """Take the next bytes of the archive. Raises as `Unpacking.feed` does."""
        self._hash.update(piece)
        for event in self._reader.feed(piece):
            if isinstance(event, FileEntry):
                self._begin(event)
            elif event is END_OF_ENTRY:
                if self._examination is not None:
                    self._keep(self._examination.finish())
                    self._examination = None
            elif self._examination is not None:
                self._examination.feed(event)

    def finish(self, blob: BlobFacts) -> LayerFacts:
        """Say that the archive of `blob` ends here; return the facts of the layer. Raises as `feed` does."""
        self._reader.finish()
        tree = self._tree
        return LayerFacts(
            digest=blob.digest,
            diff_id=Digest("sha256", self._hash.hexdigest()),
            compression=blob.compression,
            size=blob.size,
            uncompressed_size=blob.uncompressed_size,
            entries=tree.entries,
            whiteouts=tree.whiteouts,
            opaque=tree.opaque,
            belated=tree.belated,
            finds=tuple(self._finds),
        )

    def _begin(self, entry: FileEntry) -> None:
        if not self._tree.add(entry):
            return
        if entry.kind is EntryKind.FILE:
            self._examination = self._examiner.begin(entry)
        elif entry.kind in _LINKS:
            self._keep(self._examiner.examine_link(entry))

    def _keep(self, finds: FileFinds | None) -> None:
        if finds is not None:
            self._finds.append(finds)


def inspect_layer(chunks: Iterable[bytes], limits: InspectionLimits, examiner: FileExaminer) -> LayerFacts:
    """Inspect a whole layer blob, both stages in turns. Raises `UnreadableLayerError` and its kinds."""
    unpacking, reading = Unpacking(limits), ArchiveReading(limits, examiner)
    for chunk in chunks:
        for piece in unpacking.feed(chunk):
            reading.feed(piece)
    for piece in unpacking.finish():
        reading.feed(piece)
    return reading.finish(unpacking.blob)
