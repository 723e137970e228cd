""".NET programs published as a single file: the host, the files it needs, and behind them what there is (.NET runtime,
`Microsoft.NET.HostModel/Bundle`, `corehost/bundle`; dotnet/designs, "Single-file Publish").

    host            somewhere in it 8 bytes, where the header begins, or 0, and then the signature
    files           assemblies and others, packed or not; *.deps.json never is
    header          version (1.0, 2.0, 6.0), number of files, id; since 2.0 where *.deps.json and the runtime's settings
                    are, and flags
    of each file    where it is, size; since 6.0 size when packed; its type; its path

What the list of packages is, is known when it has passed. So whatever may be one is kept: JSON that begins as the SDK
writes these lists, with the target that was built for.
"""

import struct
from collections.abc import Iterator

from scanning.errors import InvalidContentError
from scanning.facts import Package
from scanning.layers.limits import MIB
from scanning.packages import assembly, dotnet

SIGNATURE = bytes.fromhex("8b1202b96a612038727b930214d7a03213f5b9e6efae3318ee3b2dce24b36aae")
"""SHA-256 of ".net core bundle" and an end of line."""
LIST = b'"runtimeTarget"'
"""The first key of a list of packages."""

_PLACE = struct.Struct("<q")
_BEFORE = 64
"""Bytes before its first key in which a list begins: a byte order mark, a brace, blanks."""
_OVERLAP = 128
_MOST_LISTS, _MOST_LIST_BYTES = 8, 8 * MIB
_MOST_HEADER_BYTES = 16 * MIB
_MOST_FILES = 100_000

_FIXED = struct.Struct("<IIi")
_LOCATIONS = struct.Struct("<qqqqQ")
_OLD_FILE, _FILE = struct.Struct("<qqB"), struct.Struct("<qqqB")
_VERSIONS = frozenset({(1, 0), (2, 0), (6, 0)})
_ASSEMBLY, _DEPENDENCIES = 1, 3


class BundleSearch:
    """Reads one program called `path`, fed in chunks of any size."""

    __slots__ = ("_header", "_header_place", "_lists", "_path", "_position", "_tail")

    def __init__(self, path: str) -> None:
        self._path = path
        self._position = 0
        self._tail = b""
        self._header_place = 0
        self._header = bytearray()
        self._lists: dict[int, bytearray] = {}

    def feed(self, chunk: bytes | memoryview, *, may_begin: bool = True) -> None:
        """Take the next bytes. `may_begin` is False where neither `SIGNATURE` nor `LIST` is in them."""
        for start, content in self._lists.items():
            room = min(_MOST_LIST_BYTES, self._header_place - start) - len(content)
            if room > 0:
                content.extend(chunk[:room])
        edge = self._tail + bytes(chunk[:_OVERLAP])
        self._look_at(edge, self._position - len(self._tail), chunk[_OVERLAP:])
        if may_begin:
            self._look_at(bytes(chunk), self._position, b"")
        if self._header_place and len(self._header) < _MOST_HEADER_BYTES:
            self._header += chunk[max(0, self._header_place - self._position) :]
        self._position += len(chunk)
        self._tail = (self._tail + bytes(chunk[-_OVERLAP:]))[-_OVERLAP:]

    def _look_at(self, window: bytes, position: int, more: bytes | memoryview) -> None:
        """Look for what begins in `window`, which is at `position` of the program and has `more` behind it."""
        mark = window.find(SIGNATURE)
        while mark >= 0 and not self._header_place:
            if mark >= _PLACE.size:
                (place,) = _PLACE.unpack_from(window, mark - _PLACE.size)
                self._header_place = place if place > position + mark else 0
            mark = window.find(SIGNATURE, mark + 1)
        key = window.find(LIST) if self._header_place else -1
        while key >= 0 and len(self._lists) < _MOST_LISTS:
            begin = max(0, key - _BEFORE)
            if not any(start <= position + key < start + _BEFORE + len(LIST) for start in self._lists):
                self._lists[position + begin] = bytearray(window[begin:]) + bytes(more[:_MOST_LIST_BYTES])
            key = window.find(LIST, key + 1)

    def finish(self) -> tuple[Package, ...]:
        """The packages in the program, none if it is no bundle. Raises `InvalidContentError` if they cannot be read."""
        header = bytes(self._header)
        if len(header) < _FIXED.size:
            return ()
        major, minor, count = _FIXED.unpack_from(header)
        if not 0 < count <= _MOST_FILES or minor or not 0 < major < 100:
            return ()  # eight bytes before the signature in a program that only knows of bundles
        if (major, minor) not in _VERSIONS:
            raise self._unreadable(f"of version {major}.{minor}, which is not known")
        try:
            return tuple(self._packages(header, major, count))
        except (struct.error, IndexError, UnicodeDecodeError) as error:
            raise self._unreadable(f"whose header is damaged ({error})") from error

    def _packages(self, header: bytes, major: int, count: int) -> Iterator[Package]:
        _, place = _text(header, _FIXED.size)
        start = size = 0
        if major > 1:
            start, size, *_ = _LOCATIONS.unpack_from(header, place)
            place += _LOCATIONS.size
        assemblies: list[str] = []
        for _ in range(count):
            layout = _FILE if major >= 6 else _OLD_FILE
            where, length, *_, kind = layout.unpack_from(header, place)
            name, place = _text(header, place + layout.size)
            if kind == _ASSEMBLY:
                assemblies.append(name)
            elif kind == _DEPENDENCIES and major == 1:
                start, size = where, length
        if size:
            yield from dotnet.read(self._path, self._list(start, size))
            return
        for name in assemblies:  # published without a list: what there is, and no version to rule anything out by
            package = name.rpartition("/")[2].removesuffix(".dll")
            if assembly.NAME.fullmatch(package):  # others cannot be of a package
                yield Package("nuget", package, "", package, "", self._path)

    def _list(self, start: int, size: int) -> bytes:
        for begin, content in self._lists.items():
            if begin <= start and start + size <= begin + len(content):
                return bytes(content[start - begin : start - begin + size])
        raise self._unreadable("whose list of packages is not where its header says")

    def _unreadable(self, what: str) -> InvalidContentError:
        return InvalidContentError(f"{self._path} is a .NET single-file bundle {what}; publish the program again")


def _text(content: bytes, place: int) -> tuple[str, int]:
    """The text at `place`, behind its length in groups of 7 bits, and where it ends (.NET, `BinaryWriter`)."""
    length = 0
    for number in range(2):
        byte = content[place + number]
        length |= (byte & 0x7F) << 7 * number
        if not byte & 0x80:
            break
    else:
        raise IndexError("it has a text of more than 16 KiB")
    begin = place + number + 1
    if begin + length > len(content):
        raise IndexError("it ends within a text")
    return content[begin : begin + length].decode(), begin + length
