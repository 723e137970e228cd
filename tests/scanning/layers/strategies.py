"""Random archives: as builders write them, and the same ones damaged in the places that matter."""

import struct
import tarfile
import zlib
from dataclasses import dataclass

import zstandard
from hypothesis import strategies as st

from tests.scanning.layers.archives import python_archive

FORMATS = (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)

_components = st.text(
    st.characters(codec="utf-8", exclude_characters="/\x00\\", exclude_categories=["Cs"]), min_size=1, max_size=30
).filter(lambda name: name not in {".", ".."} and not name.startswith(".wh."))
_types = st.sampled_from([tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])


@dataclass(frozen=True)
class Member:
    """What a test put into an archive."""

    info: tarfile.TarInfo
    content: bytes


@st.composite
def _members(draw: st.DrawFn, number: int, format_: int) -> Member:
    # Unique leaves in one place of a tree of their own: no member can be another's parent.
    folders = draw(st.lists(_components, max_size=6))
    info = tarfile.TarInfo("/".join([f"m{number}", *folders, "leaf"]))
    info.type = draw(_types)
    info.mode = draw(st.integers(0, 0o7777))
    large = 8**7 - 1 if format_ == tarfile.USTAR_FORMAT else 2**31
    info.uid, info.gid = draw(st.integers(0, large)), draw(st.integers(0, large))
    info.mtime = draw(st.integers(0, 2**33 - 1))
    content = b""
    if info.type == tarfile.SYMTYPE:
        info.linkname = "/".join(draw(st.lists(_components, min_size=1, max_size=8)))
    elif info.type == tarfile.CHRTYPE:
        info.devmajor, info.devminor = draw(st.integers(1, 255)), draw(st.integers(0, 255))
    elif info.type == tarfile.REGTYPE:
        content = draw(st.binary(max_size=1200))
        info.size = len(content)
    return Member(info, content)


@st.composite
def archives(draw: st.DrawFn) -> tuple[bytes, list[Member]]:
    """An archive that Python's tarfile wrote, and what was put into it."""
    format_ = draw(st.sampled_from(FORMATS))
    members = [draw(_members(number, format_)) for number in range(draw(st.integers(0, 5)))]
    if format_ == tarfile.USTAR_FORMAT:
        members = [member for member in members if _fits_ustar(member)]
    return python_archive([(member.info, member.content) for member in members], format_), members


def _fits_ustar(member: Member) -> bool:
    try:
        member.info.tobuf(tarfile.USTAR_FORMAT)
    except ValueError:
        return False
    return True


@st.composite
def damaged_archives(draw: st.DrawFn) -> bytes:
    """An archive of Python's, damaged."""
    return damage(draw, draw(archives())[0])


def damage(draw: st.DrawFn, intact: bytes) -> bytes:
    """The archive with a few bytes changed, blocks moved, or its headers' fields altered and signed again."""
    archive = bytearray(intact)
    for _ in range(draw(st.integers(1, 4))):
        if len(archive) < 512:
            break
        block = draw(st.integers(0, len(archive) // 512 - 1)) * 512
        action = draw(st.sampled_from(["field", "field", "field", "byte", "drop", "repeat", "zero", "cut"]))
        if action == "field":
            _alter_field(draw, archive, block)
        elif action == "byte":
            archive[block + draw(st.integers(0, 511))] = draw(st.integers(0, 255))
        elif action == "drop":
            del archive[block : block + 512]
        elif action == "repeat":
            archive[block:block] = archive[block : block + 512]
        elif action == "zero":
            archive[block : block + 512] = bytes(512)
        else:
            del archive[block + draw(st.integers(0, 511)) :]
    return bytes(archive)


_FIELDS = (
    (0, 100),
    (100, 8),
    (108, 8),
    (116, 8),
    (124, 12),
    (136, 12),
    (156, 1),
    (157, 100),
    (257, 8),
    (329, 16),
    (345, 155),
)
_TYPES = b"\x00012345678xgLKSDMVA"


def _alter_field(draw: st.DrawFn, archive: bytearray, block: int) -> None:
    start, length = draw(st.sampled_from(_FIELDS))
    if start == 156:
        value = bytes([draw(st.sampled_from(_TYPES))])
    else:
        digits = st.text("01234567 \x00-", max_size=length).map(str.encode)
        value = draw(st.one_of(digits, st.binary(max_size=length)))
    archive[block + start : block + start + len(value)] = value
    if len(archive) >= block + 512:
        archive[block + 148 : block + 156] = b" " * 8
        archive[block + 148 : block + 156] = b"%06o\x00 " % sum(archive[block : block + 512])


@st.composite
def blobs(draw: st.DrawFn) -> bytes:
    """A layer blob of one or more parts, compressed in one of the ways there are, and damaged in half of the cases."""
    compress = draw(st.sampled_from([_gzip_member, _gzip_member, _zstd_frame, _zstd_frame, _plain]))
    parts = [compress(draw) for _ in range(draw(st.sampled_from([1, 1, 1, 2, 3])))]
    blob = bytearray(b"".join(parts))
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 1, 2]))):
        # Most of what matters is at the edges of parts.
        edges = [sum(map(len, parts[:number])) for number in range(len(parts) + 1)]
        place = max(0, min(len(blob), draw(st.sampled_from(edges)) + draw(st.integers(-12, 24))))
        action = draw(st.sampled_from(["set", "flip", "insert", "drop", "cut"]))
        if action == "insert":
            blob[place:place] = draw(st.one_of(st.binary(min_size=1, max_size=9), st.just(bytes(512))))
        elif action == "drop":
            del blob[place : place + draw(st.integers(1, 4))]
        elif action == "cut":
            del blob[place:]
        elif place < len(blob):
            blob[place] = draw(st.integers(0, 255)) if action == "set" else blob[place] ^ 1 << draw(st.integers(0, 7))
    return bytes(blob)


_contents = st.one_of(
    st.binary(max_size=300), st.binary(max_size=9).map(lambda start: start * 200), st.just(bytes(1024))
)


def _plain(draw: st.DrawFn) -> bytes:
    return draw(archives())[0]


def _gzip_member(draw: st.DrawFn) -> bytes:
    """With any of the header fields of RFC 1952."""
    content = draw(_contents)
    flags = draw(st.integers(0, 31)) if draw(st.booleans()) else 0
    header = b"\x1f\x8b\x08" + bytes([flags]) + draw(st.binary(min_size=6, max_size=6))
    if flags & 4:
        extra = draw(st.binary(max_size=20))
        header += struct.pack("<H", len(extra)) + extra
    for flag in (8, 16):
        if flags & flag:
            header += draw(st.binary(max_size=10)).replace(b"\x00", b"") + b"\x00"
    if flags & 2:
        header += struct.pack("<H", zlib.crc32(header) & 0xFFFF)
    deflate = zlib.compressobj(draw(st.integers(0, 9)), wbits=-15)
    trailer = struct.pack("<II", zlib.crc32(content), len(content))
    return header + deflate.compress(content) + deflate.flush() + trailer


def _zstd_frame(draw: st.DrawFn) -> bytes:
    """Some are skippable, some of many blocks."""
    if not draw(st.integers(0, 4)):
        content = draw(st.binary(max_size=20))
        return struct.pack("<II", 0x184D2A50 + draw(st.integers(0, 15)), len(content)) + content
    checksum, size = draw(st.booleans()), draw(st.booleans())
    compressor = zstandard.ZstdCompressor(draw(st.integers(1, 19)), write_checksum=checksum, write_content_size=size)
    content = draw(_contents)
    if size:
        return compressor.compress(content)
    stream = compressor.compressobj()
    blocks = [
        stream.compress(content[: len(content) // 2]) + stream.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK),
        stream.compress(content[len(content) // 2 :]),
    ]
    return b"".join(blocks) + stream.flush()
