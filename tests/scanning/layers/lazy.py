"""Layers with a table of contents, as their builders write them, and with whatever a test wants to be wrong in it."""

import base64
import gzip
import hashlib
import json
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import zstandard

from tests.scanning.layers.archives import END, header, pax

TOC_DIGEST = "containerd.io/snapshot/stargz/toc.digest"
CHECKSUM = "io.github.containers.zstd-chunked.manifest-checksum"
POSITION = "io.github.containers.zstd-chunked.manifest-position"
TAR_SPLIT_POSITION = "io.github.containers.zstd-chunked.tarsplit-position"

KINDS = {"reg": b"0", "hardlink": b"1", "symlink": b"2", "char": b"3", "block": b"4", "dir": b"5", "fifo": b"6"}
Table = dict[str, Any]


@dataclass(frozen=True)
class Member:
    """A member of the archive, and what a true table says of it."""

    name: str
    content: bytes = b""
    kind: str = "reg"
    mode: int = 0o644
    owner: tuple[int, int] = (0, 0)
    link: str = ""
    device: tuple[int, int] = (0, 0)
    attributes: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def head(self) -> bytes:
        """Its headers."""
        before = pax(*((b"SCHILY.xattr." + key.encode(), value) for key, value in self.attributes.items()))
        fields = {
            "mode": b"%07o\x00" % self.mode,
            "uid": b"%07o\x00" % self.owner[0],
            "gid": b"%07o\x00" % self.owner[1],
        }
        if any(self.device):
            fields |= {"major": b"%07o\x00" % self.device[0], "minor": b"%07o\x00" % self.device[1]}
        own = header(self.name.encode(), KINDS[self.kind], len(self.content), link=self.link.encode(), **fields)
        return (before if self.attributes else b"") + own

    def told(self) -> Table:
        """Its entry in a true table, but for where its content is."""
        entry: Table = {"name": self.name, "type": self.kind, "mode": self.mode}
        entry |= {"uid": self.owner[0], "gid": self.owner[1], "modtime": "2023-11-14T22:13:20Z"}
        if self.content:
            entry |= {"size": len(self.content), "digest": digest(self.content)}
        if self.link:
            entry["linkName"] = self.link
        if any(self.device):
            entry |= {"devMajor": self.device[0], "devMinor": self.device[1]}
        if self.attributes:
            entry["xattrs"] = {key: base64.b64encode(value).decode() for key, value in self.attributes.items()}
        return entry


@dataclass(frozen=True)
class Lazy:
    """A layer, and the annotations that its builder puts beside it."""

    blob: bytes
    archive: bytes
    annotations: Mapping[str, str]


def digest(content: bytes) -> str:
    """By sha256, with its algorithm."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def leave(_: Table) -> None:
    """A true table."""


class _Frames:
    """Frames, each begun when it is asked for."""

    def __init__(self, pack: Callable[[bytes], bytes]) -> None:
        self.blob = self.archive = self._open = b""
        self._pack = pack

    def write(self, content: bytes) -> None:
        self._open += content
        self.archive += content

    def begin(self) -> int:
        """End the frame, if there is something in it; gives where the next begins."""
        if self._open:
            self.blob += self._pack(self._open)
            self._open = b""
        return len(self.blob)


def _parts(content: bytes, size: int) -> Iterator[tuple[int, bytes]]:
    return ((start, content[start : start + size]) for start in range(0, len(content), size))


def estargz(
    members: Sequence[Member],
    forge: Callable[[Table], None] = leave,
    *,
    part: int = 1 << 22,
    after_end: bool = False,
    footer: Callable[[int], bytes] | None = None,
    least_part: int = 0,
) -> Lazy:
    """As stargz-snapshotter's library writes it, or as BuildKit, with the table `after_end` of the archive."""
    frames = _Frames(lambda plain: gzip.compress(plain, mtime=0))
    entries: list[Table] = []
    last = inner = 0
    for one in members:
        frames.write(one.head)
        entries.append(one.told())
        for start, content in _parts(one.content, part):
            where: Table = {"chunkDigest": digest(content)}
            if len(frames._open) >= least_part:
                last, inner = frames.begin(), len(frames.archive)
            else:
                where["innerOffset"] = len(frames.archive) - inner
            where["offset"] = last
            if start + len(content) < len(one.content):
                where["chunkSize"] = len(content)
            if start:
                entries.append({"name": one.name, "type": "chunk", "chunkOffset": start} | where)
            else:
                entries[-1] |= where
            frames.write(content)
        frames.write(bytes(-len(one.content) % 512))
    if after_end:
        frames.write(END)
    table: Table = {"version": 1, "entries": entries}
    forge(table)
    written = json.dumps(table, indent="\t").encode()
    place = frames.begin()
    frames.write(header(b"stargz.index.json", b"0", len(written), mode=b"0000444\x00"))
    frames.write(written + bytes(-len(written) % 512) + END)
    frames.begin()
    return Lazy(frames.blob + (footer or stargz_footer)(place), frames.archive, {TOC_DIGEST: digest(written)})


def stargz_footer(place: int) -> bytes:
    """An empty gzip member that says where the table begins."""
    extra = b"SG" + struct.pack("<H", 22) + b"%016xSTARGZ" % place
    return b"\x1f\x8b\x08\x04\0\0\0\0\0\xff" + struct.pack("<H", len(extra)) + extra + b"\x01\0\0\xff\xff" + bytes(8)


def skipped(content: bytes) -> bytes:
    """A zstd frame to be skipped."""
    return struct.pack("<II", 0x184D2A50, len(content)) + content


def _in_chunks(
    members: Sequence[Member], pack: Callable[[bytes], bytes], part: int
) -> tuple[_Frames, list[Table], list[Table]]:
    """The frames, the entries of the table and tar-split's lines."""
    frames = _Frames(pack)
    entries: list[Table] = []
    lines: list[Table] = []
    waiting = b""
    for one in members:
        frames.write(one.head)
        lines.append({"type": 2, "payload": base64.b64encode(waiting + one.head).decode()})
        waiting = bytes(-len(one.content) % 512)
        line: Table = {"type": 1, "name": one.name, "size": len(one.content)}
        if one.content:
            line["payload"] = base64.b64encode(struct.pack(">Q", zlib.crc32(one.content))).decode()
        lines.append(line)
        first = len(entries)
        entries.append(one.told())
        parts = [*_parts(one.content, part)]
        for start, content in parts:
            where: Table = {"offset": frames.begin()}
            if len(parts) > 1:
                where |= {"chunkSize": len(content), "chunkDigest": digest(content)}
                if not content.strip(b"\0"):
                    where["chunkType"] = "zeros"
            if start:
                entries.append({"name": one.name, "type": "chunk", "chunkOffset": start} | where)
            else:
                entries[-1] |= where
            frames.write(content)
        if parts:
            entries[first]["endOffset"] = frames.begin()
        frames.write(bytes(-len(one.content) % 512))
    frames.write(END)
    lines.append({"type": 2, "payload": base64.b64encode(waiting + END).decode()})
    frames.begin()
    return frames, entries, lines


def zstd_chunked(
    members: Sequence[Member],
    forge: Callable[[Table], None] = leave,
    *,
    part: int = 1 << 22,
    split: Callable[[list[Table]], None] | None = lambda _: None,
    footer: Callable[[list[int]], bytes] | None = None,
) -> Lazy:
    """As containers/storage writes it; `split` changes tar-split's lines, None leaves them out as old versions do."""
    packer = zstandard.ZstdCompressor(level=3)
    frames, entries, lines = _in_chunks(members, packer.compress, part)
    table: Table = {"version": 1, "entries": entries}
    plain_split = packed_split = b""
    if split is not None:
        split(lines)
        plain_split = b"".join(json.dumps(one).encode() + b"\n" for one in lines)
        packed_split = packer.compress(plain_split)
        table["tarSplitDigest"] = digest(packed_split)
    forge(table)
    plain = json.dumps(table).encode()
    packed = packer.compress(plain)
    place = len(frames.blob) + 8
    blob = frames.blob + skipped(packed)
    numbers = [place, len(packed), len(plain), 1]
    annotations = {CHECKSUM: digest(packed), POSITION: ":".join(map(str, numbers)), TOC_DIGEST: digest(plain)}
    if split is not None:
        others = [len(blob) + 8, len(packed_split), len(plain_split)]
        annotations[TAR_SPLIT_POSITION] = ":".join(map(str, others))
        blob += skipped(packed_split)
        numbers += others
    blob += skipped((footer or chunked_footer)(numbers))
    return Lazy(blob, frames.archive, annotations)


def chunked_footer(numbers: Sequence[int], magic: bytes = b"GNUlInUx") -> bytes:
    """Where the table is, and what comes after it."""
    return struct.pack(f"<{len(numbers)}Q", *numbers) + magic
