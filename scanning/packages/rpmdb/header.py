"""An rpm header as databases keep it (rpm's manual, "RPM v4 package format: Header").

4 bytes   number of index entries, big-endian like every number here
4 bytes   bytes of the store
16 each   index entries: tag, type, offset into the store, count
...       the store
"""

import struct
from collections.abc import Mapping
from enum import IntEnum

from scanning.errors import InvalidContentError

_COUNTS = struct.Struct(">II")
_ENTRY = struct.Struct(">IIiI")
_INT32 = 4
_STRINGS = frozenset({6, 9})
"""STRING and I18NSTRING, of which the first translation counts."""
_MAX_ENTRIES = 65_536
_MAX_TEXT = 4096


class Tag(IntEnum):
    """The tags that are read (rpmtag.h)."""

    NAME = 1000
    VERSION = 1001
    RELEASE = 1002
    EPOCH = 1003
    LICENSE = 1014
    ARCH = 1022
    SOURCERPM = 1044


_NUMBERS = frozenset({Tag.EPOCH})
_WANTED = frozenset(Tag)


def read_header(blob: bytes) -> Mapping[Tag, str]:
    """The wanted tags of one header, numbers as decimal text. Raises `InvalidContentError` if it is no header."""
    if len(blob) < _COUNTS.size:
        raise InvalidContentError("a package header is cut short")
    entries, store_size = _COUNTS.unpack_from(blob)
    start = _COUNTS.size + entries * _ENTRY.size
    if entries > _MAX_ENTRIES or start + store_size > len(blob):
        raise InvalidContentError(
            f"a package header says it has {entries} entries and {store_size} bytes, and is shorter"
        )
    store = blob[start : start + store_size]
    found: dict[Tag, str] = {}
    for number in range(entries):
        tag, kind, offset, count = _ENTRY.unpack_from(blob, _COUNTS.size + number * _ENTRY.size)
        if tag not in _WANTED:
            continue
        name = Tag(tag)
        if name in found:
            raise InvalidContentError(f"a package header gives {name.name} twice")
        found[name] = _value(store, name, kind, offset, count)
    return found


def _value(store: bytes, tag: Tag, kind: int, offset: int, count: int) -> str:
    if count < 1 or not 0 <= offset < len(store):
        raise InvalidContentError(f"the {tag.name} of a package header lies outside it")
    if tag in _NUMBERS:
        if kind != _INT32 or offset + 4 > len(store):
            raise InvalidContentError(f"the {tag.name} of a package header is no number")
        return str(int.from_bytes(store[offset : offset + 4], "big"))
    end = store.find(b"\0", offset, offset + _MAX_TEXT)
    if kind not in _STRINGS or end < 0:
        raise InvalidContentError(f"the {tag.name} of a package header is no text of at most {_MAX_TEXT} bytes")
    return store[offset:end].decode("utf-8", "backslashreplace")
