"""An rpm header as databases keep it (rpm's manual, "RPM v4 package format: Header").

4 bytes   number of index entries, big-endian like every number here
4 bytes   bytes of the store
16 each   index entries: tag, type, offset into the store, count
...       the store
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from stat import S_ISDIR
from typing import TypeVar

from scanning.errors import InvalidContentError

_COUNTS = struct.Struct(">II")
_ENTRY = struct.Struct(">IIiI")
_INT16, _INT32 = 3, 4
_STRING_ARRAY = 8
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


class FileTag(IntEnum):
    """The tags that tell of files, one value each."""

    FILEMODES = 1030
    FILEDIGESTS = 1035
    FILEFLAGS = 1037
    DIRINDEXES = 1116
    BASENAMES = 1117
    DIRNAMES = 1118
    FILEDIGESTALGO = 5011


_AnyTag = TypeVar("_AnyTag", Tag, FileTag)
_NUMBERS = frozenset({Tag.EPOCH})
_WANTED = frozenset(Tag)
_MD5 = 1
_ALGORITHMS = {_MD5: "md5", 2: "sha1", 8: "sha256"}
"""PGPHASHALGO of RFC 4880; headers that do not say which are from the time of MD5."""
_CONFIGURATION = 1
"""RPMFILE_CONFIG."""
_MOST_PATH_CHARACTERS = 1 << 26


@dataclass(frozen=True, slots=True)
class RecordedFile:
    """A file that a package installed. `digest` is "" for what has none: links, and files that come to be later."""

    path: str
    digest: str
    is_configuration: bool


def read_header(blob: bytes) -> Mapping[Tag, str]:
    """The wanted tags of one header, numbers as decimal text. Raises `InvalidContentError` if it is no header."""
    store, index = _index(blob, _WANTED)
    return {tag: _value(store, tag, *place) for tag, place in index.items()}


def read_files(blob: bytes) -> tuple[str, tuple[RecordedFile, ...]]:
    """The files of one package but its directories, and the algorithm of their digests: "" if it is not known here.

    Raises `InvalidContentError` if it is no header, or one whose lists of files do not fit together.
    """
    store, index = _index(blob, frozenset(FileTag))
    if FileTag.BASENAMES not in index:
        return "", ()

    def texts(tag: FileTag) -> Sequence[str]:
        return _texts(store, tag, *index[tag]) if tag in index else ()

    def numbers(tag: FileTag) -> Sequence[int]:
        return _numbers(store, tag, *index[tag]) if tag in index else ()

    names, folders = texts(FileTag.BASENAMES), texts(FileTag.DIRNAMES)
    places, modes, flags = numbers(FileTag.DIRINDEXES), numbers(FileTag.FILEMODES), numbers(FileTag.FILEFLAGS)
    digests = texts(FileTag.FILEDIGESTS) or ("",) * len(names)
    if {len(places), len(modes), len(flags), len(digests)} != {len(names)} or max(places, default=-1) >= len(folders):
        raise InvalidContentError("the lists of files in a package header do not fit together")
    if sum(len(folders[place]) for place in places) > _MOST_PATH_CHARACTERS:
        raise InvalidContentError("the paths in a package header are too long to be those of a package")
    algorithm = (numbers(FileTag.FILEDIGESTALGO) or (_MD5,))[0]
    return _ALGORITHMS.get(algorithm, ""), tuple(
        RecordedFile(f"{folders[place]}{name}", digest, bool(flag & _CONFIGURATION))
        for name, place, mode, flag, digest in zip(names, places, modes, flags, digests, strict=True)
        if not S_ISDIR(mode)
    )


def _index(blob: bytes, wanted: frozenset[_AnyTag]) -> tuple[bytes, dict[_AnyTag, tuple[int, int, int]]]:
    """The store of a header, and type, offset and count of the wanted tags it has."""
    if len(blob) < _COUNTS.size:
        raise InvalidContentError("a package header is cut short")
    entries, store_size = _COUNTS.unpack_from(blob)
    start = _COUNTS.size + entries * _ENTRY.size
    if entries > _MAX_ENTRIES or start + store_size > len(blob):
        raise InvalidContentError(
            f"a package header says it has {entries} entries and {store_size} bytes, and is shorter"
        )
    by_number = {int(tag): tag for tag in wanted}
    found: dict[_AnyTag, tuple[int, int, int]] = {}
    for number in range(entries):
        tag, kind, offset, count = _ENTRY.unpack_from(blob, _COUNTS.size + number * _ENTRY.size)
        name = by_number.get(tag)
        if name is None:
            continue
        if name in found:
            raise InvalidContentError(f"a package header gives {name.name} twice")
        found[name] = kind, offset, count
    return blob[start : start + store_size], found


def _numbers(store: bytes, tag: FileTag, kind: int, offset: int, count: int) -> Sequence[int]:
    letter = {_INT16: "H", _INT32: "I"}.get(kind)
    if letter is None or offset < 0 or offset + count * struct.calcsize(letter) > len(store):
        raise InvalidContentError(f"the {tag.name} of a package header are no numbers in it")
    return struct.unpack_from(f">{count}{letter}", store, offset)


def _texts(store: bytes, tag: FileTag, kind: int, offset: int, count: int) -> Sequence[str]:
    if kind != _STRING_ARRAY or not 0 <= offset <= len(store):
        raise InvalidContentError(f"the {tag.name} of a package header are no texts in it")
    parts = store[offset:].split(b"\0", count)
    if len(parts) <= count:
        raise InvalidContentError(f"the {tag.name} of a package header lie outside it")
    return [part.decode("utf-8", "backslashreplace") for part in parts[:count]]


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
