"""What an archive holds, kept as it passes to be compared with a table of contents that comes after it.

A table says in which gzip member or zstd frame each part of a file begins, and how far in it. Ordinary layers are one
frame, so the recording ends where one has gone on for longer than a builder of tables lets it: they cost little.
"""

import hashlib
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from scanning.facts import EntryKind, FileEntry
from scanning.layers.limits import MIB
from scanning.layers.tar import TarReader
from scanning.layers.tree import LayerTree

NOWHERE = -1
_RECENT_FRAMES = 8
_MOST_SHARED = 6 * MIB
"""How far in the archive from where a frame begins a part of a file may end that does not begin the frame: parts of
4 MiB, as eStargz has them, after what else is in it.
"""
DEVICES = frozenset({EntryKind.CHARACTER_DEVICE, EntryKind.BLOCK_DEVICE})


class Unusual(NamedTuple):
    """What few members have: device numbers, and extended attributes as `attributes_digest` sums them up."""

    device: tuple[int, int] = (0, 0)
    attributes: bytes = b""


class Chunk(NamedTuple):
    """A part of a file. `frame` is where in the blob the frame begins that it is in, and `inner` how many bytes of the
    frame are before it, unpacked.
    """

    frame: int
    inner: int
    start: int
    size: int
    sha256: bytes
    is_zeros: bool


@dataclass(frozen=True, slots=True)
class Content:
    """A file's content: where it begins in the archive, its parts by the frames it is in, and its sha256.

    `end` is where in the blob the frame begins that follows it at once, or `NOWHERE`.
    """

    offset: int
    chunks: tuple[Chunk, ...]
    sha256: bytes
    end: int


class Place(NamedTuple):
    """Where a frame begins: in the blob, and in the archive."""

    blob: int
    archive: int


@dataclass(slots=True)
class Members:
    """The members of one archive, `unusual` those that have more than others."""

    tree: LayerTree
    unusual: dict[str, Unusual] = field(default_factory=dict)

    def note(self, entry: FileEntry, reader: TarReader) -> None:
        """Note what `reader` knows of the member it has just given."""
        if reader.attributes or entry.kind in DEVICES:
            device = reader.device if entry.kind in DEVICES else (0, 0)
            self.unusual[entry.path] = Unusual(device, attributes_digest(reader.attributes))


def attributes_digest(attributes: Mapping[bytes, bytes]) -> bytes:
    """Extended attributes in a few bytes; none for none."""
    if not attributes:
        return b""
    summed = hashlib.sha256()
    for name, value in sorted(attributes.items()):
        summed.update(b"%d %d " % (len(name), len(value)) + name + value)
    return summed.digest()


class ContentRecord:
    """Hashes the files of an archive, each whole and by the frames it is in. Offsets are in bytes.

    `shared` is the first file that shares its frame with more than `_MOST_SHARED` bytes, "" while there is none:
    nothing is recorded after it.
    """

    def __init__(self) -> None:
        self.files: dict[str, Content] = {}
        self.frames: deque[Place] = deque((Place(0, 0),), _RECENT_FRAMES)
        self.shared = ""
        self._file: _Reading | None = None
        self._path = ""
        self._last: tuple[str, int] = ("", NOWHERE)  # the file before, and where in the archive it ended

    def begin_frame(self, place: Place) -> None:
        """A frame begins."""
        self.frames.append(place)
        if self._file is not None:
            self._file.split()
        elif self._last[1] == place.archive:
            path = self._last[0]
            ended = self.files[path]
            if ended.end == NOWHERE:
                self.files[path] = Content(ended.offset, ended.chunks, ended.sha256, place.blob)

    def begin_file(self, path: str, offset: int) -> None:
        """A file with content begins, whose first byte is at `offset` of the archive."""
        self._path, self._file = path, _Reading(offset)

    def feed(self, piece: memoryview) -> None:
        """The next bytes of the file."""
        if self._file is None:
            return
        self._file.feed(piece, self.frames[-1])
        if self._file.shares > _MOST_SHARED:
            self.shared, self._file = self._path, None
            self.files.clear()

    def end_file(self) -> None:
        """The file ends."""
        if self._file is not None:
            content = self.files[self._path] = self._file.finish()
            self._last = (self._path, content.offset + sum(chunk.size for chunk in content.chunks))
            self._file = None


class _Reading:
    """One file."""

    __slots__ = ("_chunk", "_chunks", "_frame", "_inner", "_is_zeros", "_offset", "_size", "_start", "_whole")

    def __init__(self, offset: int) -> None:
        self._offset = offset
        self._whole = hashlib.sha256()
        self._chunk = self._whole  # the first chunk is the file so far
        self._chunks: list[Chunk] = []
        self._start = self._size = 0
        self._frame, self._inner = NOWHERE, 0
        self._is_zeros = True

    @property
    def shares(self) -> int:
        """How many bytes from where the frame begins it has come to, 0 if it began the frame."""
        return self._inner + self._size if self._inner else 0

    def feed(self, piece: memoryview, last: Place) -> None:
        if not self._size:
            self._frame, self._inner = last.blob, self._offset + self._start - last.archive
        self._size += len(piece)
        self._whole.update(piece)
        if self._chunk is not self._whole:
            self._chunk.update(piece)
        self._is_zeros = self._is_zeros and not bytes(piece).strip(b"\0")

    def split(self) -> None:
        """What follows is in another frame."""
        if self._size:
            self._end_chunk()
            self._chunk = hashlib.sha256()
            self._start, self._size, self._is_zeros = self._start + self._size, 0, True

    def finish(self) -> Content:
        self._end_chunk()
        return Content(self._offset, tuple(self._chunks), self._whole.digest(), NOWHERE)

    def _end_chunk(self) -> None:
        self._chunks.append(
            Chunk(self._frame, self._inner, self._start, self._size, self._chunk.digest(), self._is_zeros)
        )
