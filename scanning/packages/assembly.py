""".NET libraries and programs: the version resource in the file itself (ECMA-335, II.25; Windows, "VS_VERSIONINFO").

    DOS header      60: where the PE header is
    PE header       the directories: resources are the 3rd, .NET's own header the 15th, which only .NET has
    sections        which part of the file holds the resources
    resources       VS_VERSION_INFO > StringFileInfo > a language > "OriginalFilename", "ProductVersion", ...

A package of NuGet is called as its library is. `ProductVersion` is the package's version, with a commit behind `+`.
Windows programs that are not .NET's are no packages of NuGet, and libraries called *.resources are translations of
others.
"""

import re
import struct
from collections.abc import Iterator

from scanning.facts import Package
from scanning.layers.limits import MIB

MAGIC = b"MZ"
_PE = b"PE\0\0"
_PE_POINTER = 60
_FIXED = 24
_PLUS = 0x20B
_RESOURCES, _DOTNET = 2, 14
_MOST_BYTES = 4 * MIB
_KEY = "VS_VERSION_INFO".encode("utf-16-le")
_STRINGS = "StringFileInfo"
_ENDING = re.compile(r"\.(?:dll|exe)$", re.IGNORECASE)
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
"""What NuGet lets a package be called."""
_VERSION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9}){1,3}(?:-[0-9A-Za-z.-]{1,60})?)(?:\+\S*)?")
_HEADER = struct.Struct("<HHH")


def begin(path: str, head: bytes) -> "AssemblySearch | None":
    """Begin to read the file that begins with `head`; None if it is no .NET library or program with resources."""
    if not head.startswith(MAGIC):
        return None
    try:
        place = _resources(head)
    except struct.error:
        return None
    return AssemblySearch(path, *place) if place else None


class AssemblySearch:
    """Keeps the resources of the file at `path`, which are `size` bytes from byte `start`, as it passes."""

    __slots__ = ("_content", "_end", "_path", "_position", "_start")

    def __init__(self, path: str, start: int, size: int) -> None:
        self._path = path
        self._start, self._end = start, start + min(size, _MOST_BYTES)
        self._position = 0
        self._content = bytearray()

    def feed(self, chunk: bytes | memoryview) -> None:
        """Take the next bytes."""
        start, end = self._start - self._position, self._end - self._position
        if end > 0 and start < len(chunk):
            self._content += chunk[max(0, start) : end]
        self._position += len(chunk)

    def finish(self) -> tuple[Package, ...]:
        """The package that the library is of; none if it does not tell a version."""
        told = dict(_strings(bytes(self._content)))
        own = _ENDING.sub("", self._path.rpartition("/")[2])
        names = (told.get("OriginalFilename", ""), told.get("InternalName", ""), own)
        name = next((name for name in (_ENDING.sub("", one) for one in names) if NAME.fullmatch(name)), "")
        versions = (_VERSION.fullmatch(told.get(key, "")) for key in ("ProductVersion", "FileVersion"))
        version = next((found[1] for found in versions if found), "")
        if not name or not version or name.endswith(".resources"):
            return ()
        return (Package("nuget", name, version, name, version, self._path),)


def _resources(head: bytes) -> tuple[int, int] | None:
    """Where in the file the resources of a .NET program are, and how many bytes."""
    (place,) = struct.unpack_from("<I", head, _PE_POINTER)
    if head[place : place + 4] != _PE:
        return None
    sections, optional_size = struct.unpack_from("<2xH12xH", head, place + 4)
    optional = place + _FIXED
    (magic,) = struct.unpack_from("<H", head, optional)
    directories = optional + (112 if magic == _PLUS else 96)
    (count,) = struct.unpack_from("<I", head, directories - 4)
    if count <= _DOTNET or not struct.unpack_from("<I", head, directories + 8 * _DOTNET)[0]:
        return None
    wanted, size = struct.unpack_from("<II", head, directories + 8 * _RESOURCES)
    for number in range(sections):
        extent, address, stored, start = struct.unpack_from("<IIII", head, optional + optional_size + 40 * number + 8)
        if wanted and address <= wanted < address + max(extent, stored):
            return start + wanted - address, size
    return None


def _strings(resources: bytes) -> Iterator[tuple[str, str]]:
    """The texts of the first version resource."""
    key = resources.find(_KEY)
    if key < _HEADER.size:
        return
    start = key - _HEADER.size
    for _, _, tables in _children(resources, start, _STRINGS):
        for _, _, texts in _within(resources, *tables):
            for name, value, _ in _within(resources, *texts):
                yield name, value


_Node = tuple[str, str, tuple[int, int]]


def _children(resources: bytes, start: int, called: str) -> Iterator[_Node]:
    for node in _within(resources, start, start + 1):
        yield from (child for child in _within(resources, *node[2]) if child[0] == called)


def _within(resources: bytes, place: int, end: int) -> Iterator[_Node]:
    """The blocks that begin from `place` to `end`: the key of each, its value if it is a text, where its own are."""
    while place < end and place + _HEADER.size <= len(resources):
        length, value_length, is_text = _HEADER.unpack_from(resources, place)
        if length <= _HEADER.size or place + length > len(resources):
            return
        key_end = _text_end(resources, place + _HEADER.size, place + length)
        if key_end < 0:
            return
        value = _aligned(key_end + 2)
        after = value + value_length * (2 if is_text else 1)
        text = resources[value : min(after, place + length)].decode("utf-16-le", "replace").partition("\0")[0]
        yield (
            resources[place + _HEADER.size : key_end].decode("utf-16-le", "replace"),
            text.strip(),
            (
                _aligned(after),
                place + length,
            ),
        )
        place = _aligned(place + length)


def _text_end(resources: bytes, place: int, end: int) -> int:
    """Where the text at `place` ends, -1 if not before `end`: keys do not reach into other blocks, each of which would
    be searched to the end of the file.
    """
    while place + 2 <= end:
        if resources[place : place + 2] == b"\0\0":
            return place
        place += 2
    return -1


def _aligned(place: int) -> int:
    return -(-place // 4) * 4
