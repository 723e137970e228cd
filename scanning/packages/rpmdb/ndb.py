"""rpm's ndb database: slots in pages at the start, packages in blocks behind them. All numbers are little-endian.

header, 32 bytes   "RpmP", version, generation, number of slot pages, next package index, 12 bytes unused
slots, 16 each     "Slot", package index, first block, number of blocks (a free slot has package index 0)
package            "BlbS", package index, generation, length | the header | padding | adler32, length, "BlbE"
"""

import struct
import zlib
from collections.abc import Iterator

from scanning.errors import InvalidContentError

MAGIC = b"RpmP"

_VERSION = 0
_HEADER = struct.Struct("<4sIIII12x")
_SLOT = struct.Struct("<4sIII")
_HEAD = struct.Struct("<4sIII")
_TAIL = struct.Struct("<II4s")
_PAGE = 4096
_BLOCK = 16


def headers(content: bytes) -> Iterator[bytes]:
    """The header of each package. Raises `InvalidContentError` if this is no such database, or a damaged one."""
    if len(content) < _HEADER.size:
        raise InvalidContentError("it is cut short")
    magic, version, _, pages, _ = _HEADER.unpack_from(content)
    if magic != MAGIC or version != _VERSION:
        raise InvalidContentError(f"it is no ndb database of version {_VERSION}")
    end = pages * _PAGE
    if not _HEADER.size < end <= len(content):
        raise InvalidContentError(f"it says it has {pages} pages of slots, and is shorter")
    left = len(content)
    for place in range(_HEADER.size, end, _SLOT.size):
        slot, index, first, blocks = _SLOT.unpack_from(content, place)
        if slot != b"Slot":
            raise InvalidContentError(f"there is no slot at byte {place}")
        if first:
            left -= blocks * _BLOCK
            if left < 0:  # each has the checksum of its blocks taken
                raise InvalidContentError("it leads to the same blocks again and again")
            yield _package(content, index, first * _BLOCK, blocks * _BLOCK)


def _package(content: bytes, index: int, start: int, size: int) -> bytes:
    end = start + size
    if not index or size < _HEAD.size + _TAIL.size or end > len(content):
        raise InvalidContentError(f"package {index} lies outside it")
    head, owner, _, length = _HEAD.unpack_from(content, start)
    checksum, again, tail = _TAIL.unpack_from(content, end - _TAIL.size)
    body = start + _HEAD.size
    if (head, tail, owner, again) != (b"BlbS", b"BlbE", index, length) or body + length > end - _TAIL.size:
        raise InvalidContentError(f"package {index} is damaged")
    if zlib.adler32(content[start : end - _TAIL.size]) != checksum:
        raise InvalidContentError(f"package {index} does not have the checksum it is stored with")
    return content[body : body + length]
