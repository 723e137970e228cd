"""Incremental decompression of a layer: gzip, zstd or none, told by the first bytes, every byte accounted for.

What is ambiguous is refused: bytes after the last gzip member or zstd frame, a missing or wrong checksum, a
truncated stream, other compressions (runtimes disagree on them). All gzip members and all zstd frames are read
(threat 49), zstd's skippable frames are stepped over. podman does not know a blob for zstd that begins with one of
those, and takes it for a plain archive; so it may not look like one.

Memory is bounded whatever the input: no step produces more than `STEP_BYTES`.
RFC 1952 (gzip), RFC 8878 (Zstandard).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol, cast

from isal import isal_zlib

from scanning.errors import NotALayerError, UnreadableLayerError
from scanning.layers.header import BLOCK_BYTES, ZERO_BLOCK, checksum_holds, some_checksum_holds
from scanning.layers.limits import KIB, MIB, InspectionLimits
from scanning.layers.zstd import SkippedFrame, ZstdStream, is_skippable, is_zstd

STEP_BYTES = 1 * MIB
_INPUT_BYTES = 256 * KIB
_MAGIC_BYTES = 6
_GZIP = b"\x1f\x8b"
_GZIP_START = 4  # magic, method, flags
_DEFLATE = 8
_RESERVED_FLAGS = 0xE0
_GzipError = cast("type[Exception]", isal_zlib.error)  # its stub declares an instance
_REFUSED = {b"\xfd7zXZ\x00": "xz", b"BZh": "bzip2"}


@dataclass(frozen=True, slots=True)
class FrameStart:
    """A gzip member or zstd frame begins here, at byte `offset` of the blob: reading can begin anew from it."""

    offset: int


class _Stream(Protocol):
    def feed(self, data: bytes) -> Iterator[bytes]: ...

    def finish(self) -> None: ...


class Decompressor:
    """Turns the chunks of a layer blob into chunks of its archive.

    `compression` is `none`, `gzip` or `zstd` once the first bytes have told, and empty until then. `on_frame` is told
    where in the blob each gzip member or zstd frame begins, before what is in it is given.
    """

    def __init__(self, limits: InspectionLimits, on_frame: Callable[[int], None] = lambda _: None) -> None:
        self.compression = ""
        self._limits = limits
        self._on_frame = on_frame
        self._lead = b""
        self._stream: _Stream | None = None

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Yield what `chunk` makes known of the archive, at most `STEP_BYTES` at a time.

        Raises `NotALayerError` if the blob is neither gzip, zstd nor tar, `UnreadableLayerError` if it is refused.
        """
        if self._stream is None:
            self._lead += chunk
            if not self._sniff(last=False):
                return
            chunk, self._lead = self._lead, b""
        if self._stream is not None:
            yield from self._stream.feed(chunk)

    def finish(self) -> Iterator[bytes]:
        """Yield what a very short blob still held back. Raises `UnreadableLayerError` if the blob is cut short."""
        if self._stream is None:
            self._sniff(last=True)
            if self._stream is not None:
                yield from self._stream.feed(self._lead)
        if self._stream is not None:
            self._stream.finish()

    @property
    def skipped(self) -> tuple[SkippedFrame, ...]:
        """The last zstd frames that were stepped over."""
        return tuple(self._stream.skipped) if isinstance(self._stream, ZstdStream) else ()

    def _sniff(self, *, last: bool) -> bool:
        lead = self._lead
        if len(lead) < _MAGIC_BYTES and not last:
            return False
        for magic, name in _REFUSED.items():
            if lead.startswith(magic):
                raise UnreadableLayerError(
                    f"the layer is compressed with {name}, which only some runtimes read; use gzip or zstd"
                )
        if lead.startswith(_GZIP):
            self.compression, self._stream = "gzip", _GzipStream(self._on_frame)
        elif is_zstd(lead):
            if is_skippable(lead):
                if len(lead) < BLOCK_BYTES and not last:
                    return False
                if some_checksum_holds(lead[:BLOCK_BYTES]):
                    raise UnreadableLayerError(
                        "the layer begins with a zstd frame to skip that is a tar header too: podman would unpack what"
                        " is in it, others what follows"
                    )
            stream = ZstdStream(self._limits.window_bytes, self._on_frame, self._limits.file_bytes)
            self.compression, self._stream = "zstd", stream
        elif len(lead) >= BLOCK_BYTES:
            block = lead[:BLOCK_BYTES]
            if block != ZERO_BLOCK and not checksum_holds(block):
                raise NotALayerError("the blob is no layer: it is neither gzip, nor zstd, nor a tar archive")
            self.compression, self._stream = "none", _PlainStream()
        elif last:
            raise NotALayerError(
                f"the blob is no layer: its {len(lead)} bytes are neither gzip, nor zstd, nor a tar archive"
            )
        return self._stream is not None


class _PlainStream:
    def feed(self, data: bytes) -> Iterator[bytes]:
        for start in range(0, len(data), STEP_BYTES):
            yield data[start : start + STEP_BYTES]

    def finish(self) -> None:
        """A plain archive has no end of its own."""


class _GzipStream:
    """Every member of a gzip file. The library checks each member's header, CRC and length."""

    def __init__(self, on_frame: Callable[[int], None]) -> None:
        self._on_frame = on_frame
        self._fed = 0
        self._start = b""
        self._member: isal_zlib.Decompress | None = None
        self._members = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        for start in range(0, len(data), _INPUT_BYTES):  # the library copies what it has not used yet
            piece = data[start : start + _INPUT_BYTES]
            self._fed += len(piece)
            yield from self._inflate(piece)

    def _inflate(self, data: bytes) -> Iterator[bytes]:
        full = False
        while data or full:
            if self._member is None:
                data, self._start = self._start + data, b""
                if not self._is_member(data):
                    self._start = data
                    return
                self._on_frame(self._fed - len(data))
                self._member = isal_zlib.decompressobj(31)
                self._members += 1
            try:
                plain = self._member.decompress(data, STEP_BYTES)
            except _GzipError as error:
                raise UnreadableLayerError(
                    f"the gzip data is damaged in member {self._members}: {error}; push the layer again"
                ) from error
            if plain:
                yield plain
            full = len(plain) == STEP_BYTES  # then more may wait inside the library, though no input is left
            data = self._member.unconsumed_tail
            if self._member.eof:
                data, full, self._member = self._member.unused_data, False, None

    def finish(self) -> None:
        if self._member is not None or self._start:
            raise UnreadableLayerError("the gzip data is cut short: its last member has no trailer; push it again")

    def _is_member(self, start: bytes) -> bool:
        """Whether a member starts here, as far as `start` tells; False while too little of it is there."""
        if not _GZIP.startswith(start[:2]):
            raise UnreadableLayerError(
                f"data follows the end of gzip member {self._members}: some runtimes ignore it, others fail"
            )
        if len(start) < _GZIP_START:
            return False
        if start[2] != _DEFLATE or start[3] & _RESERVED_FLAGS:
            raise UnreadableLayerError("a gzip header names an unknown method or sets reserved flags")
        return True
