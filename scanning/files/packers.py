"""Programs packed by UPX, or by anything that leaves no section and no compressible byte.

A packed program is told as such, since what it is cannot be read where it lies. What stock UPX has packed is unpacked
here, within bounds, so that the tool in it is named as well. Its layout (all little endian, from UPX's own stub):

    ELF header, program headers
    l_info    checksum u32, "UPX!", size of the loader u16, version u8, format u8
    p_info    progid u32, size of the program u32, block size u32
    blocks    unpacked size u32, packed size u32, method u8, filter u8, 2 bytes; that many packed bytes

The first block is the program's own ELF header and program headers; with those after it, it makes up every segment
that is loaded.
"""

import lzma
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

from scanning.errors import InvalidContentError
from scanning.files.nrv import unpack_nrv2b, unpack_nrv2d, unpack_nrv2e
from scanning.layers.limits import KIB, MIB

MAX_UNPACKED_BYTES = 8 * MIB
"""How much is unpacked of one program. A larger one is told as packed and no more."""

_MAGIC = b"UPX!"
_MAGIC_WITHIN = 1 * KIB
_BLOCK = struct.Struct("<IIBBBB")
_LEAST_BYTES = 4 * KIB
_SAMPLE_BYTES = 256 * KIB
_HARDLY_SMALLER = 0.95
_ELF_64 = 2
_BIG_ENDIAN = 2
_LOADED = 1


def has_upx_mark(head: bytes | bytearray) -> bool:
    """Whether an ELF file that begins with `head` carries UPX's mark where UPX puts it."""
    return head.find(_MAGIC, 0, _MAGIC_WITHIN) >= 0


def has_no_sections(head: bytes | bytearray) -> bool:
    """Whether an ELF file that begins with `head` has no section headers, as packers leave it."""
    if len(head) < 64:
        return False
    order = ">" if head[5] == _BIG_ENDIAN else "<"
    at = 0x3C if head[4] == _ELF_64 else 0x30
    (count,) = struct.unpack_from(order + "H", head, at)
    return int(count) == 0


def is_incompressible(content: bytes | bytearray) -> bool:
    """Whether the content is compressed or encrypted already: machine code never is."""
    sample = content[len(content) // 4 :][:_SAMPLE_BYTES]
    if len(sample) < _LEAST_BYTES:
        return False
    return len(zlib.compress(sample, 1)) > _HARDLY_SMALLER * len(sample)


def unpack_upx(content: bytes | bytearray) -> Iterator[bytes]:
    """The program that UPX has packed in `content`, in pieces, code still filtered.

    Raises `InvalidContentError` where it is no longer as UPX made it, or larger than `MAX_UNPACKED_BYTES`.
    """
    place = content.find(_MAGIC, 0, _MAGIC_WITHIN)
    if place < 0:
        raise InvalidContentError("it carries no mark of UPX")
    place += 8 + 12  # the mark and what follows in l_info; p_info
    headers, place = _block(content, place)
    left = _loaded_bytes(headers)
    if left > MAX_UNPACKED_BYTES:
        raise InvalidContentError(f"it is larger than {MAX_UNPACKED_BYTES} bytes")
    yield headers
    left -= len(headers)
    while left > 0:
        piece, place = _block(content, place, left)
        left -= len(piece)
        yield piece


def _block(content: bytes | bytearray, place: int, largest: int = 64 * KIB) -> tuple[bytes, int]:
    """The block at `place`, unpacked, and where the next one is."""
    try:
        size, packed, method, _filter, _, _ = _BLOCK.unpack_from(content, place)
    except struct.error as error:
        raise InvalidContentError("its blocks end too early") from error
    place += _BLOCK.size
    data = bytes(content[place : place + packed])
    if not 0 < size <= largest or packed > size or len(data) < packed:
        raise InvalidContentError("a block of it has a size that cannot be, or is cut short")
    if packed == size:
        return data, place + packed
    unpack = _METHODS.get(method)
    if unpack is None:
        raise InvalidContentError(f"a block of it is packed by the unknown method {method}")
    return unpack(data, size), place + packed


def _loaded_bytes(headers: bytes) -> int:
    """How many bytes of the file its program headers load into memory."""
    try:
        if headers[4] == _ELF_64:
            (start,) = struct.unpack_from("<Q", headers, 0x20)
            width, count = struct.unpack_from("<HH", headers, 0x36)
            kind_and_size = [struct.unpack_from("<I28xQ", headers, start + width * n) for n in range(count)]
        else:
            (start,) = struct.unpack_from("<I", headers, 0x1C)
            width, count = struct.unpack_from("<HH", headers, 0x2A)
            kind_and_size = [struct.unpack_from("<I12xI", headers, start + width * n) for n in range(count)]
    except (struct.error, IndexError, OverflowError) as error:
        raise InvalidContentError("its first block holds no program headers") from error
    return sum(size for kind, size in kind_and_size if kind == _LOADED)


def _unpack_lzma(data: bytes, size: int) -> bytes:
    """UPX's two bytes of properties, then raw LZMA."""
    if len(data) < 2:
        raise InvalidContentError("a block is cut short")
    literal_bits, position_bits = data[1] & 15, data[0] & 7
    position_literal_bits = data[1] >> 4
    try:
        decompressor = lzma.LZMADecompressor(
            lzma.FORMAT_RAW,
            filters=[
                {
                    "id": lzma.FILTER_LZMA1,
                    "lc": literal_bits,
                    "lp": position_literal_bits,
                    "pb": position_bits,
                    "dict_size": max(size, 4 * KIB),
                }
            ],
        )
        return decompressor.decompress(data[2:], size)
    except (lzma.LZMAError, ValueError) as error:
        raise InvalidContentError(f"a block of it cannot be unpacked: {error}") from error


_METHODS: Mapping[int, Callable[[bytes, int], bytes]] = MappingProxyType(
    {2: unpack_nrv2b, 5: unpack_nrv2d, 8: unpack_nrv2e, 14: _unpack_lzma}
)
"""UPX's numbers of the methods it uses for Linux on machines of today (`M_NRV2B_LE32` and so on)."""
