"""Rust programs: the list of crates that cargo-auditable leaves in them (cargo-auditable, "Parsing the format").

The section `.dep-v0` holds a JSON object, compressed with zlib. Where a section lies is told at the end of a program,
when its content has passed; so the content itself is looked for: a zlib header, and the object's beginning inflated.

    {"packages": [{"name": "itoa", "version": "1.0.15", "source": "crates.io", "kind": "build"}, ...]}

Crates of the kind `build` have run while the program was built, and are no part of it.
"""

import json
import zlib
from collections.abc import Iterator
from typing import Any

from scanning.errors import InvalidContentError
from scanning.facts import Package
from scanning.files.words import Places
from scanning.packages.fields import checked_name, checked_version

_BEGINNING = b'{"packages":['
_MOST_BYTES = 16 << 20
_MOST_HEADERS = 1_000_000
"""Bytes that look like a zlib header; an ordinary program has seven in a million."""

_COMPRESSION_LEVELS = b"\x01\x5e\x9c\xda"
_BLOCKS = bytes(byte for byte in range(256) if byte >> 1 & 3 in (1, 2))  # compressed, with fixed or own codes
_HEADER_BYTES = 3
_PROBE_BYTES = 1024
"""After so many bytes a zlib stream has told enough to be recognised: codes of its own take 300 at most."""
_ENOUGH = 64


def _any_of(choice: bytes) -> bytes:
    return b"[" + b"".join(b"\\x%02x" % byte for byte in choice) + b"]"


_HEADER = Places(b"x" + _any_of(_COMPRESSION_LEVELS) + _any_of(_BLOCKS))


class AuditSearch:
    """Looks for the list of crates in an executable, fed in chunks of any size."""

    __slots__ = ("_headers", "_listed", "_open", "_tail")

    def __init__(self) -> None:
        self._tail = b""
        self._headers = 0
        self._open: list[_Inflating] = []
        self._listed: list[_Inflating] = []

    def feed(self, chunk: bytes | memoryview) -> None:
        """Take the next bytes."""
        for stream in self._open:
            stream.feed(chunk)
        if self._headers < _MOST_HEADERS:
            if self._tail:
                edge = self._tail + bytes(chunk[: _HEADER_BYTES - 1])
                for end in _HEADER.ends_in(edge):
                    self._begin(edge[end - _HEADER_BYTES : len(self._tail)], chunk)
            for end in _HEADER.ends_in(chunk):
                self._begin(chunk[end - _HEADER_BYTES :])
            self._tail = (self._tail + bytes(chunk[1 - _HEADER_BYTES :]))[1 - _HEADER_BYTES :]
        self._listed += [stream for stream in self._open if stream.is_list and not stream.is_open]
        self._open = [stream for stream in self._open if stream.is_open]

    def _begin(self, *pieces: bytes | memoryview) -> None:
        self._headers += 1
        stream = _Inflating()
        for piece in pieces:
            stream.feed(piece)
        if stream.is_open or stream.is_list:
            self._open.append(stream)

    def finish(self, path: str) -> tuple[Package, ...]:
        """The crates of the program at `path`; nothing where there is no list.

        Raises `InvalidContentError` if a list cannot be read, or cannot be looked for.
        """
        if self._headers >= _MOST_HEADERS:
            raise InvalidContentError(
                f"{path} holds what looks like the beginning of compressed data more than {_MOST_HEADERS} times, so"
                " that a list of crates could hide in it; build the program again"
            )
        listed = (*self._listed, *(stream for stream in self._open if stream.is_list))
        return tuple(dict.fromkeys(package for stream in listed for package in _read(path, stream)))


class _Inflating:
    """What may be a list of crates, as far as it has passed."""

    __slots__ = ("_fed", "_inflater", "content", "is_list", "is_open")

    def __init__(self) -> None:
        self._inflater = zlib.decompressobj()
        self._fed = 0
        self.content = b""
        self.is_open = True
        self.is_list = False

    def feed(self, piece: bytes | memoryview) -> None:
        """Take the next bytes; close at the first sign that it is something else, or at its end."""
        if not self.is_list:
            self._inflate(piece[:_PROBE_BYTES], _ENOUGH)
            piece = piece[_PROBE_BYTES:]
        if self.is_list:
            self._inflate(piece, _MOST_BYTES + 1)
        elif self._fed >= _PROBE_BYTES:
            self.is_open = False

    def _inflate(self, piece: bytes | memoryview, most: int) -> None:
        if not self.is_open:
            return
        self._fed += len(piece)
        try:
            self.content += self._inflater.decompress(
                b"".join((self._inflater.unconsumed_tail, piece)), max(1, most - len(self.content))
            )
        except zlib.error:
            self.is_open = False
            return
        if len(self.content) >= len(_BEGINNING) and not self.is_list:
            self.is_list = self.is_open = self.content.startswith(_BEGINNING)
        if self._inflater.eof or len(self.content) > _MOST_BYTES:
            self.is_open = False

    @property
    def is_whole(self) -> bool:
        """Whether it has been read to its end."""
        return self._inflater.eof


def _read(path: str, stream: _Inflating) -> Iterator[Package]:
    try:
        listed = json.loads(stream.content)["packages"] if stream.is_whole else None
    except (ValueError, RecursionError):
        listed = None
    if not isinstance(listed, list):
        raise InvalidContentError(f"{path} holds a list of crates that is damaged; build the program again")
    for crate in listed:
        package = _crate(path, crate)
        if package is not None:
            yield package


def _crate(path: str, crate: Any) -> Package | None:
    name, version = (crate.get(key) if isinstance(crate, dict) else None for key in ("name", "version"))
    if not isinstance(name, str) or not isinstance(version, str):
        raise InvalidContentError(f"{path} holds a list of crates with one that has no name or version; build it again")
    if crate.get("kind") == "build":
        return None
    name = checked_name(name, path)
    version = checked_version(version, name, path)
    return Package("cargo", name, version, name, version, path)
