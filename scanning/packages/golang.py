"""Go programs: the build information that the linker leaves in them (Go, package debug/buildinfo).

    "\\xff Go buildinf:", at a multiple of 16
    pointer size (1 byte), flags (1 byte), padding to 32 bytes
    the version of Go, the modules            each a length (varint) and its bytes, where the flags say so (Go 1.18)

The modules are lines between two marks of 16 bytes: `path` the program's main package, `mod` its own module, `dep` what
it is built from, and `=>` after one of these what took its place. Older programs have pointers instead, which lead
anywhere in the file: of those is only told that they hold some Go.
"""

import re
from collections.abc import Iterator

from scanning.facts import Package

WORD = b"\xff Go buildinf:"
"""What build information begins with."""

_OVERLAP = len(WORD) - 1
_ALIGNMENT = 16
_HEADER = 32
_INLINE = 2
_POINTER_SIZES = frozenset({4, 8})
_MARK = 16
_MOST_BYTES = 4 << 20
_MOST_PLACES = 4
"""Programs that read build information hold the magic without the rest: this many are looked at."""
_STDLIB = "stdlib"
_GO_VERSION = re.compile(r"go(?P<version>[0-9][0-9A-Za-z.]*)\b.*", re.DOTALL)
_MODULE = re.compile(r"(?=.{1,256}$)[A-Za-z0-9._~+!-]+(?:/[A-Za-z0-9._~+!-]+)*")
_VERSION = re.compile(r"v[0-9][0-9A-Za-z.+-]{0,255}")


class BuildInfoSearch:
    """Looks for build information in an executable, fed in chunks of any size."""

    __slots__ = ("_candidates", "_offset", "_tail")

    def __init__(self) -> None:
        self._offset = 0  # of the byte after the last one seen
        self._tail = b""
        self._candidates: list[bytearray] = []

    def feed(self, chunk: bytes | memoryview, *, may_begin: bool = True) -> None:
        """Take the next bytes. `may_begin` says whether `WORD` occurs in them; it need not be sought there if not."""
        for candidate in self._candidates:
            if len(candidate) < _MOST_BYTES:
                candidate.extend(chunk[: _MOST_BYTES - len(candidate)])
        edge = self._tail + bytes(chunk[:_OVERLAP])
        if may_begin or WORD in edge:
            self._look_at(chunk)
        self._tail = (self._tail + bytes(chunk[-_OVERLAP:]))[-_OVERLAP:]
        self._offset += len(chunk)

    def _look_at(self, chunk: bytes | memoryview) -> None:
        window = b"".join((self._tail, chunk))  # one copy of a chunk that is a view
        start = self._offset - len(self._tail)
        place = window.find(WORD)
        while place >= 0 and len(self._candidates) < _MOST_PLACES:
            if (start + place) % _ALIGNMENT == 0:
                self._candidates.append(bytearray(window[place : place + _MOST_BYTES]))
            place = window.find(WORD, place + 1)

    def finish(self, path: str) -> tuple[Package, ...]:
        """The modules of the program at `path`, Go's own library among them; nothing if it is none of Go's."""
        for candidate in self._candidates:
            packages = tuple(_read(bytes(candidate), path))
            if packages:
                return packages
        return ()


def _read(info: bytes, path: str) -> Iterator[Package]:
    if len(info) < _HEADER or info[len(WORD)] not in _POINTER_SIZES:
        return
    if not info[len(WORD) + 1] & _INLINE:
        yield _package(_STDLIB, "", path)
        return
    written, place = _text(info, _HEADER)
    version = _GO_VERSION.fullmatch(written.decode("utf-8", "replace"))
    if version is None:
        return
    yield _package(_STDLIB, version["version"], path)
    modules, _ = _text(info, place)
    if len(modules) >= 2 * _MARK:
        yield from _modules(modules[_MARK:-_MARK].decode("utf-8", "replace"), path)


def _text(info: bytes, place: int) -> tuple[bytes, int]:
    """The text that begins at `place`, and where it ends; empty where it is not there whole."""
    length, shift = 0, 0
    while place < len(info) and shift < 35:
        byte = info[place]
        place += 1
        length |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            end = place + length
            return (info[place:end], end) if end <= len(info) else (b"", len(info))
    return b"", len(info)


def _modules(text: str, path: str) -> Iterator[Package]:
    last: Package | None = None
    lines = [line.split("\t") for line in text.split("\n")]
    if not any(kind == "mod" for kind, *_ in lines):  # built without modules: all that is known is what was built
        for kind, *fields in lines:
            if kind == "path" and fields and _MODULE.fullmatch(fields[0]):
                yield _package(fields[0], "", path)
    for kind, *fields in lines:
        if kind not in ("mod", "dep", "=>") or len(fields) < 2 or not _MODULE.fullmatch(fields[0]):
            continue
        if kind != "=>" and last is not None:
            yield last
        # A version such as (devel) says nothing, so nothing can be ruled out.
        last = _package(fields[0], fields[1] if _VERSION.fullmatch(fields[1]) else "", path)
    if last is not None:
        yield last


def _package(name: str, version: str, path: str) -> Package:
    return Package("golang", name, version, name, version, path)
