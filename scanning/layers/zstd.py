"""Zstandard frames (RFC 8878, section 3.1), walked block by block.

The library's streaming interface has no bound on its output, so it is handed one block at a time: a block never
holds more than 128 KiB. Walking the frames also shows where each one ends, so that every byte is accounted for.

    magic | descriptor [window] [dictionary] [content size] | (block header | block)... [checksum]
    skippable magic | length | content
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import zstandard

from scanning.errors import LimitExceededError, UnreadableLayerError

_MAGIC = b"\x28\xb5\x2f\xfd"
_SKIPPABLE = range(0x184D2A50, 0x184D2A60)
_BLOCK_LIMIT = 128 << 10
_RLE, _RESERVED = 1, 3
_LAST_SKIPPED = 3
"""Skippable frames that are kept: zstd:chunked ends in a table, tar-split's data and a footer."""


@dataclass(frozen=True, slots=True)
class SkippedFrame:
    """A skippable frame. `offset` is where its content begins in the blob; `content` is None where it was not kept."""

    offset: int
    size: int
    content: bytes | None


def is_zstd(lead: bytes) -> bool:
    """Whether the first bytes of a blob are a Zstandard or a skippable frame's."""
    return lead.startswith(_MAGIC) or is_skippable(lead)


def is_skippable(lead: bytes) -> bool:
    """Whether the first bytes of a blob are a skippable frame's."""
    return int.from_bytes(lead[:4], "little") in _SKIPPABLE


class ZstdStream:
    """Every frame of a Zstandard stream, at most 128 KiB at a time. Frames that need a dictionary are refused.

    `window_bytes` bounds the memory the library may hold. `on_frame` is told where in the blob each frame begins that
    is not skipped, before what is in it is given. `skipped` holds the last skippable frames, those of more than
    `kept_bytes` without their content.
    """

    def __init__(
        self, window_bytes: int, on_frame: Callable[[int], None] = lambda _: None, kept_bytes: int = 0
    ) -> None:
        self.skipped: deque[SkippedFrame] = deque(maxlen=_LAST_SKIPPED)
        self._window_bytes = window_bytes
        self._on_frame = on_frame
        self._kept_bytes = kept_bytes
        self._position = 0  # in the blob, of the byte after the last one taken
        self._kept: bytearray | None = None  # of the skippable frame that is being stepped over
        self._library = zstandard.ZstdDecompressor(max_window_size=window_bytes)
        self._frame: zstandard.ZstdDecompressionObj | None = None
        self._held = b""  # header bytes, until `_wanted` are there for `_read`
        self._wanted = 4
        self._read: _Reader = ZstdStream._read_magic
        self._body = 0  # bytes of the current block to pass to the library
        self._skip = self._skipped_size = 0  # bytes of a skippable frame to step over, and all of them
        self._block_limit = 0
        self._checksum = False
        self._last_block = False
        self._library_input = b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield what `data` holds. Raises `UnreadableLayerError`, or `LimitExceededError` for the window."""
        place, end = 0, len(data)
        while place < end:
            if self._skip:
                step = min(self._skip, end - place)
                self._skip -= step
                if self._kept is not None:
                    self._kept += data[place : place + step]
                if not self._skip:
                    self._end_skipped(self._position + step)
            elif self._body:
                step = min(self._body, end - place)
                self._body -= step
                plain = self._decompress(data[place : place + step])
                if plain:
                    yield plain
            else:
                step = min(self._wanted - len(self._held), end - place)
                self._held += data[place : place + step]
                if len(self._held) == self._wanted:
                    held, self._held = self._held, b""
                    self._position += step
                    self._read(self, held)
                    self._position -= step
            place += step
            self._position += step
            if self._frame is not None and self._last_block and not self._body and not self._held:
                self._end_frame()

    def finish(self) -> None:
        """Raises `UnreadableLayerError` if the stream stops inside a frame."""
        if self._frame is not None or self._skip or self._held or self._read is not ZstdStream._read_magic:
            raise UnreadableLayerError("the zstd data is cut short inside a frame; push it again")

    def _expect(self, count: int, read: "_Reader") -> None:
        self._wanted, self._read = count, read

    def _read_magic(self, magic: bytes) -> None:
        if magic == _MAGIC:
            self._on_frame(self._position - len(magic))
            self._expect(1, ZstdStream._read_descriptor)
        elif int.from_bytes(magic, "little") in _SKIPPABLE:
            self._expect(4, ZstdStream._read_skippable_length)
        else:
            raise UnreadableLayerError("there is data after the last zstd frame that is no frame")

    def _read_skippable_length(self, length: bytes) -> None:
        self._skip = self._skipped_size = int.from_bytes(length, "little")
        self._kept = bytearray() if self._skip <= self._kept_bytes else None
        self._expect(4, ZstdStream._read_magic)
        if not self._skip:
            self._end_skipped(self._position)

    def _end_skipped(self, end: int) -> None:
        content = bytes(self._kept) if self._kept is not None else None
        self._kept = None
        self.skipped.append(SkippedFrame(end - self._skipped_size, self._skipped_size, content))

    def _read_descriptor(self, descriptor: bytes) -> None:
        flags = descriptor[0]
        single_segment = bool(flags & 0x20)
        if flags & 0x08:
            raise UnreadableLayerError("a zstd frame sets a reserved bit")
        if flags & 0x03:
            raise UnreadableLayerError("a zstd frame needs a dictionary, which a layer cannot carry")
        self._checksum = bool(flags & 0x04)
        content_size = (1 if single_segment else 0, 2, 4, 8)[flags >> 6]
        self._library_input = _MAGIC + descriptor
        if single_segment:
            self._expect(content_size, ZstdStream._read_content_size)
        else:
            self._expect(1 + content_size, ZstdStream._read_window)

    def _read_content_size(self, field: bytes) -> None:
        size = int.from_bytes(field, "little") + (256 if len(field) == 2 else 0)
        self._begin_frame(field, size)

    def _read_window(self, fields: bytes) -> None:
        base = 1 << (10 + (fields[0] >> 3))
        self._begin_frame(fields, base + base // 8 * (fields[0] & 7))

    def _begin_frame(self, fields: bytes, window: int) -> None:
        if window > self._window_bytes:
            raise LimitExceededError("window_bytes", self._window_bytes)
        self._block_limit = min(_BLOCK_LIMIT, window)
        self._last_block = False
        self._frame = self._library.decompressobj()
        self._decompress(self._library_input + fields)
        self._expect(3, ZstdStream._read_block_header)

    def _read_block_header(self, header: bytes) -> None:
        number = int.from_bytes(header, "little")
        kind, size = (number >> 1) & 3, number >> 3
        if kind == _RESERVED or size > self._block_limit:
            raise UnreadableLayerError("a zstd block has a reserved type or is larger than its frame allows")
        self._last_block = bool(number & 1)
        self._body = 1 if kind == _RLE else size
        if self._last_block and self._checksum:
            self._body += 4
        self._decompress(header)

    def _end_frame(self) -> None:
        frame, self._frame = self._frame, None
        if frame is None or not frame.eof or frame.unused_data:
            raise UnreadableLayerError("a zstd frame does not end where its last block does")
        self._last_block = False
        self._expect(4, ZstdStream._read_magic)

    def _decompress(self, data: bytes) -> bytes:
        if self._frame is None:
            return b""
        try:
            return self._frame.decompress(data)
        except zstandard.ZstdError as error:
            raise UnreadableLayerError(f"the zstd data is damaged: {error}") from error


_Reader = Callable[[ZstdStream, bytes], None]
