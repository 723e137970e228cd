r"""Kernels of Linux in the forms that boot loaders take, and the version that each tells.

x86                 "HdrS" at 514: a header that leads to the version (Documentation/arch/x86/boot.rst)
arm64, RISC-V       "ARM\x64" or "RSC\x05" at 56, and the kernel itself: its version is in its banner
                    (arch/arm64/booting.rst, arch/riscv/boot-image-header.rst)
the same, packed    with gzip, as distributions install it
any EFI (zboot)     "MZ\0\0zimg", then where the packed kernel is, and at 24 how it is packed
                    (drivers/firmware/efi/libstub/zboot-header.S)
"""

import lzma
import re
import struct
import zlib
from collections.abc import Callable, Mapping

import zstandard

from scanning.facts import Package
from scanning.layers.limits import KIB, MIB

NAME, GENERIC = "linux-kernel", "generic"
_RELEASE = rb"[0-9]{1,4}\.[0-9]{1,4}[0-9A-Za-z.+~_-]{0,100}"

_HEADER_BYTES = 66 * KIB
"""How much of an x86 kernel tells its version: 16 bits lead to it, and a line is not longer than 1 KiB."""
_SIGNATURE, _MARK = (510, b"\x55\xaa"), (514, b"HdrS")
_VERSION_POINTER = 526
_SECTORS = 512
_AT_ONCE = re.compile(rb"(" + _RELEASE + rb")[ \0]")

_BANNER = re.compile(rb"Linux version (" + _RELEASE + rb") \(")
_BANNER_BYTES = 256
_IMAGE_MAGICS, _MAGIC_AT = (b"ARM\x64", b"RSC\x05"), 56
_GZIP = b"\x1f\x8b\x08"
_LEAST_PACKED = 1 * MIB
_MOST_BYTES = 256 * MIB
_AT_A_TIME = 1 * MIB
_ZBOOT, _ZBOOT_HEADER = b"MZ\0\0zimg", struct.Struct("<8sII8x32s")


def may_begin(piece: bytes, start: int, size: int) -> bool:
    """Whether a file of `size` bytes that begins at `start` of `piece` may be a kernel; never wrong if it says no."""
    return (
        piece.startswith(_MARK[1], start + _MARK[0])
        or piece.startswith(_IMAGE_MAGICS, start + _MAGIC_AT)
        or (size >= _LEAST_PACKED and piece.startswith(_GZIP, start))
        or piece.startswith(_ZBOOT, start)
    )


def begin(path: str, head: bytes, size: int) -> "_Header | _Whole | _Packed | None":
    """Begin to read the file of `size` bytes at `path` that begins with `head`; None if it is no kernel."""
    if all(head.startswith(mark, place) for place, mark in (_SIGNATURE, _MARK)):
        return _Header(path)
    if head.startswith(_IMAGE_MAGICS, _MAGIC_AT):
        return _Whole(path)
    if size >= _LEAST_PACKED and head.startswith(_GZIP) and _gzip_begins_with_image(head):
        return _Packed(path, 0, size, _inflater)
    if head.startswith(_ZBOOT) and len(head) >= _ZBOOT_HEADER.size:
        _, start, length, packing = _ZBOOT_HEADER.unpack_from(head)
        return _Packed(path, start, length, _UNPACKERS.get(packing.partition(b"\0")[0]), is_linux=True)
    return None


def _gzip_begins_with_image(head: bytes) -> bool:
    try:
        return zlib.decompressobj(31).decompress(head, 64).startswith(_IMAGE_MAGICS, _MAGIC_AT)
    except zlib.error:
        return False


def _kernel(path: str, release: bytes) -> Package:
    version = release.decode("ascii")
    return Package(GENERIC, NAME, version, NAME, version, path)


class _Header:
    """An x86 kernel."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._head = bytearray()

    def feed(self, chunk: bytes | memoryview) -> None:
        self._head += chunk[: _HEADER_BYTES - len(self._head)]

    def finish(self) -> tuple[Package, ...]:
        head = bytes(self._head)
        (pointer,) = struct.unpack_from("<H", head.ljust(_VERSION_POINTER + 2, b"\0"), _VERSION_POINTER)
        found = _AT_ONCE.match(head, pointer + _SECTORS) if pointer else None
        return (_kernel(self._path, found[1]),) if found else ()


class _Whole:
    """A kernel that is not packed."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._tail = b""
        self._release = b""

    def feed(self, chunk: bytes | memoryview) -> None:
        if self._release:
            return
        for window in (self._tail + bytes(chunk[:_BANNER_BYTES]), chunk):
            found = _BANNER.search(window)
            if found is not None:
                self._release = found[1]
        self._tail = (self._tail + bytes(chunk[-_BANNER_BYTES:]))[-_BANNER_BYTES:]

    def finish(self) -> tuple[Package, ...]:
        return (_kernel(self._path, self._release),) if self._release else ()


_Sink = Callable[[bytes], object]
_Unpacker = Callable[[_Sink], Callable[[bytes], object]]
"""Given what takes unpacked pieces, what takes packed ones."""


class _EnoughError(Exception):
    """No more needs to be unpacked."""


class _Packed:
    """A kernel packed in `size` bytes from byte `start`. One that is `is_linux` by its header is told without a version
    where it cannot be unpacked, and so is any that does not end.
    """

    def __init__(self, path: str, start: int, size: int, unpacker: _Unpacker | None, *, is_linux: bool = False) -> None:
        self._path = path
        self._start, self._end = start, start + size
        self._position = self._unpacked = 0
        self._inside = _Whole(path)
        self._is_linux = is_linux
        self._unpack = unpacker(self._take) if unpacker else None

    def feed(self, chunk: bytes | memoryview) -> None:
        first, last = max(0, self._start - self._position), self._end - self._position
        self._position += len(chunk)
        if self._unpack is None or last <= first:
            return
        try:
            self._unpack(bytes(chunk[first:last]))
        except (_EnoughError, zlib.error, lzma.LZMAError, EOFError, zstandard.ZstdError):
            self._unpack = None

    def _take(self, piece: bytes) -> None:
        self._inside.feed(piece)
        self._unpacked += len(piece)
        endless = self._unpacked > _MOST_BYTES
        self._is_linux = self._is_linux or endless
        if endless or self._inside.finish():
            raise _EnoughError

    def finish(self) -> tuple[Package, ...]:
        return self._inside.finish() or ((_kernel(self._path, b""),) if self._is_linux else ())


def _inflater(sink: _Sink) -> Callable[[bytes], object]:
    inflater = zlib.decompressobj(31)

    def unpack(packed: bytes) -> None:
        while packed and not inflater.eof:
            sink(inflater.decompress(packed, _AT_A_TIME))
            packed = inflater.unconsumed_tail

    return unpack


def _lzma(sink: _Sink) -> Callable[[bytes], object]:
    decompressor = lzma.LZMADecompressor(memlimit=128 * MIB)

    def unpack(packed: bytes) -> None:
        while not decompressor.eof:
            sink(decompressor.decompress(packed, _AT_A_TIME))
            packed = b""
            if decompressor.needs_input:
                return

    return unpack


def _zstd(sink: _Sink) -> Callable[[bytes], object]:
    frame = zstandard.ZstdDecompressor(max_window_size=128 * MIB).decompressobj()

    def unpack(packed: bytes) -> None:
        for start in range(0, len(packed), KIB):  # a few bytes can become 128 KiB
            sink(frame.decompress(packed[start : start + KIB]))

    return unpack


_UNPACKERS: Mapping[bytes, _Unpacker] = {b"gzip": _inflater, b"lzma": _lzma, b"xzkern": _lzma, b"zstd22": _zstd}
"""How kernels are packed; those packed in other ways (lz4, lzo) are told without their version."""
