"""Java programs that GraalVM has made into machine code: the bill of materials it leaves in them (GraalVM, "SBOM").

    symbol `sbom`           CycloneDX in JSON, packed with gzip
    symbol `sbom_length`    how long it is
    `__svm_version_info`    in every program that GraalVM has made

Symbols are told elsewhere in the file than what they lead to. So what is packed is looked for, and read if it is a bill
of materials and the program is GraalVM's.
"""

import json
import zlib
from collections.abc import Iterator

from scanning.errors import InvalidContentError
from scanning.facts import Package
from scanning.files.words import Places
from scanning.layers.limits import KIB, MIB
from scanning.packages.fields import checked_version

WORD = b"__svm_version_info"
PACKED = b"\x1f\x8b\x08\0"
"""How a bill of materials begins: gzip, without a name."""
_GZIP = Places(b"\\x1f\\x8b\\x08\\x00")
_GZIP_BYTES = len(PACKED)
_PROBE_BYTES = 1 * KIB
_MOST_PACKED, _MOST_BYTES = 8 * MIB, 64 * MIB
_MOST_PLACES = 1000
_MARK = b"CycloneDX"


class NativeImageSearch:
    """Looks for a bill of materials in an executable, fed in chunks of any size."""

    __slots__ = ("_listed", "_open", "_places", "_tail")

    def __init__(self) -> None:
        self._tail = b""
        self._places = 0
        self._open: list[bytearray] = []  # what may be one, until it is long enough to tell
        self._listed: list[bytearray] = []

    def feed(self, chunk: bytes | memoryview, *, may_begin: bool = True) -> None:
        """Take the next bytes. `may_begin` is False where `PACKED` is known not to be in them."""
        for held in (*self._open, *self._listed):
            held.extend(chunk[: _MOST_PACKED - len(held)])
        edge = self._tail + bytes(chunk[: _GZIP_BYTES - 1])
        for end in _GZIP.ends_in(edge):
            self._begin(edge[end - _GZIP_BYTES : len(self._tail)], chunk)
        for end in _GZIP.ends_in(chunk) if may_begin else ():
            self._begin(chunk[end - _GZIP_BYTES :])
        self._tail = (self._tail + bytes(chunk[1 - _GZIP_BYTES :]))[1 - _GZIP_BYTES :]
        self._sort(_PROBE_BYTES)

    def _begin(self, *pieces: bytes | memoryview) -> None:
        self._places += 1
        if self._places <= _MOST_PLACES:
            self._open.append(bytearray(b"".join(piece[:_MOST_PACKED] for piece in pieces)))

    def _sort(self, least: int) -> None:
        waiting = [one for one in self._open if len(one) < least]
        self._listed += [one for one in self._open if len(one) >= least and _is_bill(one)]
        self._open = waiting

    def finish(self, path: str) -> tuple[Package, ...]:
        """What the bills of materials in the program at `path` list, which GraalVM has made.

        Raises `InvalidContentError` if one cannot be read, or cannot be looked for.
        """
        if self._places > _MOST_PLACES:
            raise InvalidContentError(
                f"{path} holds what looks like packed data {_MOST_PLACES} times, so that a bill of materials could hide"
                " in it; build the program again"
            )
        self._sort(0)
        return tuple(dict.fromkeys(package for one in self._listed for package in _read(path, bytes(one))))


def _is_bill(packed: bytearray) -> bool:
    try:
        begins = zlib.decompressobj(31).decompress(packed[:_PROBE_BYTES], _PROBE_BYTES)
    except zlib.error:
        return False
    return begins.lstrip().startswith(b"{") and _MARK in begins


def _read(path: str, packed: bytes) -> Iterator[Package]:
    damaged = f"{path} holds a bill of materials that is damaged; build the program again"
    inflater = zlib.decompressobj(31)
    try:
        content = inflater.decompress(packed, _MOST_BYTES)
        components = json.loads(content).get("components", []) if inflater.eof else None
    except (zlib.error, ValueError, AttributeError, RecursionError) as error:
        raise InvalidContentError(damaged) from error
    if not isinstance(components, list):
        raise InvalidContentError(damaged)
    for component in components:
        if not isinstance(component, dict):
            raise InvalidContentError(damaged)
        name, group, version = (component.get(key) or "" for key in ("name", "group", "version"))
        if not all(isinstance(one, str) and one.isprintable() for one in (name, group, version)) or not _is_name(name):
            raise InvalidContentError(damaged)
        full = f"{group}:{name}" if group else name
        version = checked_version(version, full, path) if version else ""
        yield Package("maven", full, version, full, version, path)


def _is_name(text: str) -> bool:
    """Whether something is left of `text` once it stands in a purl, where a colon ends a group and a slash a part."""
    return bool(text.strip(" /")) and ":" not in text
