"""Archives made byte by byte, so that a test can say exactly what is wrong with one."""

import io
import struct
import tarfile
from collections.abc import Iterable, Iterator

from scanning.facts import EntryKind, FileEntry, FileFinds, LayerFacts
from scanning.layers.header import BLOCK_BYTES
from scanning.layers.inspect import inspect_layer
from scanning.layers.limits import InspectionLimits

LIMITS = InspectionLimits()
END = bytes(1024)
USTAR = b"ustar\x0000"
GNU = b"ustar  \x00"
V7 = bytes(8)
NET_RAW = struct.pack("<IIIII", 0x0200_0001, 1 << 13, 0, 0, 0)
"""The attribute `security.capability` of ping."""


def header(
    name: bytes = b"file",
    kind: bytes = b"0",
    size: int | bytes = 0,
    link: bytes = b"",
    magic: bytes = USTAR,
    checksum: bytes | None = None,
    **fields: bytes,
) -> bytes:
    """One header block with a right checksum unless one is given. Numbers given as bytes stand as they are."""
    block = bytearray(512)
    places = {"mode": 100, "uid": 108, "gid": 116, "mtime": 136, "major": 329, "minor": 337, "prefix": 345, "tail": 508}
    assert len(name) <= 100 >= len(link), "a longer name needs an extended header"
    block[0 : len(name)] = name
    block[100:124] = b"0000644\x000001750\x000001750\x00"
    block[124:136] = size if isinstance(size, bytes) else b"%011o\x00" % size
    block[136:148] = b"14000000000\x00"
    block[156:157] = kind
    block[157 : 157 + len(link)] = link
    block[257:265] = magic
    for field, value in fields.items():
        block[places[field] : places[field] + len(value)] = value
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\x00 " % sum(block) if checksum is None else checksum
    return bytes(block)


def padded(content: bytes) -> bytes:
    """Content followed by zeros to the next block."""
    return content + bytes(-len(content) % 512)


def member(name: bytes = b"file", content: bytes = b"", **options: bytes) -> bytes:
    """A header with its data."""
    return header(name, size=len(content), **options) + padded(content)


def directory(name: bytes, mode: bytes = b"0000755\x00") -> bytes:
    """A directory entry."""
    return header(name, b"5", mode=mode)


def record(key: bytes, value: bytes) -> bytes:
    """One PAX record with the right length."""
    length = len(key) + len(value) + 3
    while len(b"%d" % length) + len(key) + len(value) + 3 != length:
        length = len(b"%d" % length) + len(key) + len(value) + 3
    return b"%d %s=%s\n" % (length, key, value)


def pax(*records: tuple[bytes, bytes], kind: bytes = b"x") -> bytes:
    """An extended header of these records."""
    return member(b"PaxHeaders/x", b"".join(record(key, value) for key, value in records), kind=kind)


def long_name(name: bytes, kind: bytes = b"L") -> bytes:
    """A GNU long name (L) or long link (K)."""
    return member(b"././@LongLink", name + b"\x00", kind=kind, magic=GNU)


def archive_in_a_skippable_frame(name: bytes = b"") -> bytes:
    """An archive that is a zstd frame to skip, too: its first name begins with the frame's magic and size."""
    content = padded(b"#!/bin/sh\n")
    size = struct.pack("<II", 0x184D2A50, BLOCK_BYTES + len(content) + len(END) - 8)
    return header(size + name, size=len(content)) + content + END


class Collector:
    """An examiner that keeps what it is given."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.links: list[FileEntry] = []

        self._piece = b""
        self._path = ""
        self._content = bytearray()

    def look_at(self, piece: bytes) -> None:
        self._piece = piece

    def examine(self, entry: FileEntry, content: memoryview, start: int) -> FileFinds | None:
        self.begin(entry)
        self.feed(content, start)
        return self.finish()

    def begin(self, entry: FileEntry) -> None:
        self._path, self._content = entry.path, bytearray()

    def feed(self, chunk: memoryview, start: int) -> None:
        assert chunk == self._piece[start : start + len(chunk)]
        self._content += chunk

    def finish(self) -> FileFinds | None:
        self.files[self._path] = bytes(self._content)
        return FileFinds(path=self._path, problem=str(len(self._content)))

    def examine_link(self, entry: FileEntry) -> FileFinds | None:
        self.links.append(entry)
        return None


def chunked(blob: bytes, size: int) -> Iterator[bytes]:
    """The blob in chunks of `size`."""
    return (blob[place : place + size] for place in range(0, len(blob), size))


def inspect(blob: bytes, limits: InspectionLimits = LIMITS, collector: Collector | None = None) -> LayerFacts:
    """Inspect a blob given whole."""
    return inspect_layer([blob], limits, collector or Collector())


def python_archive(members: Iterable[tuple[tarfile.TarInfo, bytes]], format_: int) -> bytes:
    """What Python's tarfile writes."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=format_) as archive:
        for info, content in members:
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def paths(facts: LayerFacts, kind: EntryKind | None = None) -> list[str]:
    """The paths a layer creates."""
    return [entry.path for entry in facts.entries if kind is None or entry.kind is kind]
