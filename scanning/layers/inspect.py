"""One pass over a layer, in two stages: the blob becomes an archive, and the archive tells its facts.

    Unpacking        blob bytes -> sha256
                                -> Decompressor -> archive bytes, and where gzip members and zstd frames begin
                                                -> sha256 (diffID)
    ArchiveReading   archive bytes -> TarReader -> LayerTree     (entries, whiteouts)
                                                -> FileExaminer  (finds)
                                                -> ContentRecord (to be compared with a table of contents)

The first stage computes, the second decides; whoever is in a hurry runs them side by side (the inspection workers do);
`inspect_layer` runs them in turns. Nothing is written anywhere and no file is held: data passes in pieces
(threat 55). Which files are read, and how much of them is kept, is the examiner's affair.
"""

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from scanning.errors import LimitExceededError
from scanning.facts import EntryKind, FileEntry, FileFinds, LayerFacts
from scanning.layers.compression import Decompressor, FrameStart
from scanning.layers.header import BLOCK_BYTES
from scanning.layers.limits import InspectionLimits
from scanning.layers.tar import END_OF_ENTRY, TABLE_NAME, TarReader
from scanning.layers.toc.check import BlobEnd, Candidate, checked_table
from scanning.layers.toc.locate import TAIL_BYTES
from scanning.layers.toc.record import ContentRecord, Members, Place
from scanning.layers.tree import LayerTree
from scanning.layers.zstd import SkippedFrame
from scanning.oci.digest import Digest

_LINKS = frozenset({EntryKind.SYMLINK, EntryKind.HARDLINK})


@dataclass(frozen=True, slots=True)
class BlobFacts:
    """What the first stage has computed of a blob. `tail` and `skipped` are its last bytes and skippable frames."""

    digest: Digest
    diff_id: Digest
    compression: str
    size: int
    uncompressed_size: int
    tail: bytes = b""
    skipped: tuple[SkippedFrame, ...] = ()


class FileExaminer(Protocol):
    """Reads the files of one layer as they pass: in one call where all of a file is in one piece of the archive."""

    def look_at(self, piece: bytes) -> None:
        """Take the next piece of the archive. What is said of files until the next one lies in it."""

    def examine(self, entry: FileEntry, content: memoryview, start: int) -> FileFinds | None:
        """Say what a regular file told, None if nothing. All of its content is at `start` of the piece."""

    def begin(self, entry: FileEntry) -> None:
        """Begin a regular file that is empty or goes on in the next piece."""

    def feed(self, chunk: memoryview, start: int) -> None:
        """Take the next bytes of the file begun, which are at `start` of the piece."""

    def finish(self) -> FileFinds | None:
        """Say what the file begun told, None if nothing."""

    def examine_link(self, entry: FileEntry) -> FileFinds | None:
        """Say what a symbolic or hard link tells by its names alone."""


class Unpacking:
    """The first stage: one blob and its archive, the digests and sizes of both. Use it once."""

    def __init__(self, limits: InspectionLimits) -> None:
        self._limits = limits
        self._hash = hashlib.sha256()
        self._archive_hash = hashlib.sha256()
        self._size = 0
        self._uncompressed_size = 0
        self._tail = b""
        self._begun: deque[FrameStart] = deque()
        self._decompressor = Decompressor(limits, self._begin_frame)

    def feed(self, chunk: bytes) -> Iterator[bytes | FrameStart]:
        """Take the next bytes of the blob; yield what they make known of the archive, and between these where in the
        blob a gzip member or zstd frame begins, the first of all left out.

        Raises `UnreadableLayerError` where the layer is refused, `NotALayerError` if it is no layer at all,
        `LimitExceededError` if it is too much. Nothing may be fed after that.
        """
        self._hash.update(chunk)
        self._size += len(chunk)
        self._tail = (self._tail + chunk[-TAIL_BYTES:])[-TAIL_BYTES:]
        yield from self._bounded(self._decompressor.feed(chunk))

    def finish(self) -> Iterator[bytes | FrameStart]:
        """Say that the blob ends here; yield the rest of its archive. Raises as `feed` does."""
        return self._bounded(self._decompressor.finish())

    @property
    def blob(self) -> BlobFacts:
        """What the blob is, once it is finished."""
        return BlobFacts(
            Digest("sha256", self._hash.hexdigest()),
            Digest("sha256", self._archive_hash.hexdigest()),
            self._decompressor.compression,
            self._size,
            self._uncompressed_size,
            self._tail,
            self._decompressor.skipped,
        )

    def _begin_frame(self, offset: int) -> None:
        if offset:
            self._begun.append(FrameStart(offset))

    def _bounded(self, pieces: Iterator[bytes]) -> Iterator[bytes | FrameStart]:
        limits = self._limits
        for piece in pieces:
            self._archive_hash.update(piece)
            self._uncompressed_size += len(piece)
            out = self._uncompressed_size
            if out > limits.uncompressed_bytes:
                raise LimitExceededError("uncompressed_bytes", limits.uncompressed_bytes)
            if out > limits.ratio_grace_bytes and out > limits.ratio * self._size:
                raise LimitExceededError("ratio", limits.ratio)
            while self._begun:
                yield self._begun.popleft()
            yield piece
        while self._begun:
            yield self._begun.popleft()


class ArchiveReading:
    """The second stage: what one archive holds. Use it once."""

    def __init__(self, limits: InspectionLimits, examiner: FileExaminer) -> None:
        self._limits = limits
        self._examiner = examiner
        self._fed = 0
        self._reader = TarReader(limits)
        self._tree = LayerTree(limits)
        self._members = Members(self._tree)
        self._finds: list[FileFinds] = []
        self._packages = 0
        self._file: FileEntry | None = None  # whose content is to come
        self._is_begun = False
        self._record = ContentRecord()
        self._is_recorded = False
        self._table: bytearray | None = None
        self._table_offset = 0
        self._is_table = False

    def feed(self, piece: bytes | FrameStart) -> None:
        """Take the next bytes of the archive, or note that a frame begins. Raises as `Unpacking.feed` does."""
        if isinstance(piece, FrameStart):
            self._record.begin_frame(Place(piece.offset, self._fed))
            return
        examiner, reader = self._examiner, self._reader
        examiner.look_at(piece)
        for event in reader.feed(piece):
            if isinstance(event, FileEntry):
                self._add(event)
            elif event is END_OF_ENTRY:
                self._end_entry()
            else:
                if self._is_recorded:
                    self._record.feed(event)
                elif self._is_table and self._table is not None:
                    self._table += event
                file = self._file
                if file is None:
                    continue
                if len(event) == file.size:
                    self._file = None
                    self._keep(examiner.examine(file, event, reader.data_start))
                else:
                    if not self._is_begun:
                        examiner.begin(file)
                        self._is_begun = True
                    examiner.feed(event, reader.data_start)
        self._fed += len(piece)

    def finish(self, blob: BlobFacts) -> LayerFacts:
        """Say that the archive of `blob` ends here; return the facts of the layer. Raises as `feed` does."""
        reader, tree = self._reader, self._tree
        reader.finish()
        table = checked_table(
            BlobEnd(blob.compression, blob.size, blob.tail, blob.skipped),
            self._members,
            self._record,
            Candidate(reader.table, reader.table_offset)
            if reader.table is not None
            else Candidate(bytes(self._table) if self._table is not None else None, self._table_offset),
            self._limits,
        )
        return LayerFacts(
            digest=blob.digest,
            diff_id=blob.diff_id,
            compression=blob.compression,
            size=blob.size,
            uncompressed_size=blob.uncompressed_size,
            entries=tree.entries,
            whiteouts=tree.whiteouts,
            opaque=tree.opaque,
            belated=tree.belated,
            finds=tuple(self._finds),
            table=table,
        )

    def _add(self, entry: FileEntry) -> None:
        if not self._tree.add(entry):
            return
        self._members.note(entry, self._reader)
        if entry.kind is EntryKind.FILE:
            self._file = entry
            if entry.size and (not self._record.shared or entry.path == TABLE_NAME):
                self._begin_content(entry)
        elif entry.kind in _LINKS:
            self._keep(self._examiner.examine_link(entry))

    def _end_entry(self) -> None:
        file = self._file
        if file is not None:
            if not self._is_begun:
                self._examiner.begin(file)
            self._file, self._is_begun = None, False
            self._keep(self._examiner.finish())
        if self._is_recorded:
            self._record.end_file()
        self._is_recorded = self._is_table = False

    def _begin_content(self, entry: FileEntry) -> None:
        if entry.path != TABLE_NAME:
            self._is_recorded = True
            self._record.begin_file(entry.path, self._reader.offset + BLOCK_BYTES)
        elif entry.size <= self._limits.file_bytes:
            self._is_table = True
            self._table, self._table_offset = bytearray(), self._reader.offset

    def _keep(self, finds: FileFinds | None) -> None:
        if finds is not None:
            self._finds.append(finds)
            self._packages += len(finds.packages)
            if self._packages > self._limits.packages:
                raise LimitExceededError("packages", self._limits.packages)


def inspect_layer(chunks: Iterable[bytes], limits: InspectionLimits, examiner: FileExaminer) -> LayerFacts:
    """Inspect a whole layer blob, both stages in turns. Raises `UnreadableLayerError` and its kinds."""
    unpacking, reading = Unpacking(limits), ArchiveReading(limits, examiner)
    for chunk in chunks:
        for piece in unpacking.feed(chunk):
            reading.feed(piece)
    for piece in unpacking.finish():
        reading.feed(piece)
    return reading.finish(unpacking.blob)
