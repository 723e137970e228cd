"""One pass over a layer: digest, decompression, diffID, the strict walk, and every file to those who read files.

    blob bytes -> sha256
               -> Decompressor -> sha256 (diffID)
                               -> TarReader -> LayerTree     (entries, whiteouts)
                                            -> FileExaminer  (finds)

Nothing is written anywhere and no file is held: data passes in pieces (threat 55). Which files are read, and how
much of them is kept, is the examiner's affair.
"""

import hashlib
from collections.abc import Iterable
from typing import Protocol

from scanning.errors import LimitExceededError
from scanning.facts import EntryKind, FileEntry, FileFinds, LayerFacts
from scanning.layers.compression import Decompressor
from scanning.layers.limits import InspectionLimits
from scanning.layers.tar import END_OF_ENTRY, TarReader
from scanning.layers.tree import LayerTree
from scanning.oci.digest import Digest

_LINKS = frozenset({EntryKind.SYMLINK, EntryKind.HARDLINK})


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


class LayerInspection:
    """Inspects one layer blob, fed in chunks of any size. Use it once."""

    def __init__(self, limits: InspectionLimits, examiner: FileExaminer) -> None:
        self._limits = limits
        self._examiner = examiner
        self._blob_hash = hashlib.sha256()
        self._archive_hash = hashlib.sha256()
        self._size = 0
        self._uncompressed_size = 0
        self._decompressor = Decompressor(limits)
        self._reader = TarReader(limits)
        self._tree = LayerTree(limits)
        self._finds: list[FileFinds] = []
        self._examination: FileExamination | None = None

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the blob.

        Raises `UnreadableLayerError` where the layer is refused, `NotALayerError` if it is no layer at all,
        `LimitExceededError` if it is too much. Nothing may be fed after that.
        """
        self._blob_hash.update(chunk)
        self._size += len(chunk)
        for plain in self._decompressor.feed(chunk):
            self._walk(plain)

    def finish(self) -> LayerFacts:
        """Say that the blob ends here; return its facts. Raises as `feed` does."""
        for plain in self._decompressor.finish():
            self._walk(plain)
        self._reader.finish()
        tree = self._tree
        return LayerFacts(
            digest=Digest("sha256", self._blob_hash.hexdigest()),
            diff_id=Digest("sha256", self._archive_hash.hexdigest()),
            compression=self._decompressor.compression,
            size=self._size,
            uncompressed_size=self._uncompressed_size,
            entries=tree.entries,
            whiteouts=tree.whiteouts,
            opaque=tree.opaque,
            finds=tuple(self._finds),
        )

    def _walk(self, plain: bytes) -> None:
        self._archive_hash.update(plain)
        self._uncompressed_size += len(plain)
        self._check_volume()
        for event in self._reader.feed(plain):
            if isinstance(event, FileEntry):
                self._begin(event)
            elif event is END_OF_ENTRY:
                if self._examination is not None:
                    self._keep(self._examination.finish())
                    self._examination = None
            elif self._examination is not None:
                self._examination.feed(event)

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

    def _check_volume(self) -> None:
        limits, out = self._limits, self._uncompressed_size
        if out > limits.uncompressed_bytes:
            raise LimitExceededError("uncompressed_bytes", limits.uncompressed_bytes)
        if out > limits.ratio_grace_bytes and out > limits.ratio * self._size:
            raise LimitExceededError("ratio", limits.ratio)


def inspect_layer(chunks: Iterable[bytes], limits: InspectionLimits, examiner: FileExaminer) -> LayerFacts:
    """Inspect a whole layer blob. Raises `UnreadableLayerError` and its kinds."""
    inspection = LayerInspection(limits, examiner)
    for chunk in chunks:
        inspection.feed(chunk)
    return inspection.finish()
