"""Finds a layer's table of contents as runtimes do, by the last bytes of the blob.

eStargz         1f 8b 08 04, 6 bytes, 1a 00, "SG", 16 00, 16 hexadecimal digits, "STARGZ", 13 bytes of an empty member
zstd:chunked    in a frame to skip: place, packed and plain size of the table, its type (1), then those three of
                tar-split's data (since containers/storage 1.50), "GNUlInUx", before 2023 "GnUlInUx"; numbers of 8 bytes
"""

import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from scanning.errors import LimitExceededError, UnreadableLayerError
from scanning.facts import ContentsTable
from scanning.layers.limits import InspectionLimits
from scanning.layers.tar import TABLE_NAME
from scanning.layers.toc.record import Place
from scanning.layers.zstd import SkippedFrame, ZstdStream
from scanning.oci.digest import Digest

TAIL_BYTES = 64
"""How many of a blob's last bytes tell whether it has a table."""

_STARGZ = b"STARGZ"
_GZIP_FOOTER = re.compile(
    rb"\x1f\x8b\x08\x04.{6}\x1a\x00SG\x16\x00([0-9a-f]{16})STARGZ\x01\x00\x00\xff\xff\x00{8}", re.DOTALL
)
_GZIP_FOOTER_BYTES = 51
_ZSTD_MAGICS = (b"GNUlInUx", b"GnUlInUx")
_SHORT, _LONG = struct.Struct("<4Q8s"), struct.Struct("<7Q8s")
_CRFS = 1
_BAD_FOOTER = "the layer ends like one with a table of contents, but not as its format says"


def check_end(tail: bytes, compression: str) -> None:
    """Raises `UnreadableLayerError` if a blob ends as one of another compression with a table: lazy runtimes
    look for every kind of table in every blob.
    """
    if (_STARGZ in tail and compression != "gzip") or (tail.endswith(_ZSTD_MAGICS) and compression != "zstd"):
        raise UnreadableLayerError(f"{_BAD_FOOTER}: it is not compressed so")


@dataclass(frozen=True, slots=True)
class FoundTable:
    """A table as it lies in a layer, and tar-split's data with their digest, None if there are none."""

    content: bytes
    facts: ContentsTable
    tar_split: bytes | None = None
    tar_split_digest: str = ""


def in_gzip(
    tail: bytes, frames: Sequence[Place], content: bytes | None, offset: int, limits: InspectionLimits
) -> FoundTable | None:
    """The table of an eStargz layer that ends in `tail`; None if it is none.

    `content` is what the member called as the table holds, None if it was not kept, and `offset` where its header is in
    the archive. Raises `UnreadableLayerError` where runtimes would read another one, or none.
    """
    if _STARGZ not in tail:
        return None
    footer = _GZIP_FOOTER.fullmatch(tail[-_GZIP_FOOTER_BYTES:])
    if footer is None:
        raise UnreadableLayerError(f"{_BAD_FOOTER}; eStargz has a footer of {_GZIP_FOOTER_BYTES} bytes")
    place = int(footer[1], 16)
    if content is None:
        raise UnreadableLayerError(
            f"the layer ends as eStargz does, without a readable {TABLE_NAME} of at most {limits.file_bytes} bytes"
        )
    if Place(place, offset) not in frames:
        raise UnreadableLayerError(
            f"the footer of the layer leads to byte {place}, and {TABLE_NAME} is elsewhere", entry=TABLE_NAME
        )
    return FoundTable(content, ContentsTable(Digest.of(content)))


def in_zstd(tail: bytes, size: int, skipped: Sequence[SkippedFrame], limits: InspectionLimits) -> FoundTable | None:
    """The table of a zstd:chunked layer of `size` bytes that ends in `tail`; None if it is none.

    Raises `UnreadableLayerError` where its footer does not lead to the frames that are before it.
    """
    if not tail.endswith(_ZSTD_MAGICS):
        return None
    if not skipped or skipped[-1].offset + skipped[-1].size != size or skipped[-1].content is None:
        raise UnreadableLayerError(_BAD_FOOTER)
    footer = skipped[-1].content
    if len(footer) == _SHORT.size:
        place, packed, plain, kind, _ = _SHORT.unpack(footer)
        others = [0, 0, 0]
    elif len(footer) == _LONG.size:
        place, packed, plain, kind, *others, _ = _LONG.unpack(footer)
    else:
        raise UnreadableLayerError(_BAD_FOOTER)
    if kind != _CRFS:
        raise UnreadableLayerError(f"{_BAD_FOOTER}; its table has the type {kind}, and only {_CRFS} exists")
    has_tar_split = any(others)
    table = _content(skipped[-3:-2] if has_tar_split else skipped[-2:-1], place, packed, limits)
    content = _unpack(table, plain, limits)
    facts = ContentsTable(
        digest=Digest.of(content),
        packed=Digest.of(table),
        place=f"{place}:{packed}:{plain}:{kind}",
        tar_split=":".join(str(number) for number in others) if has_tar_split else "",
    )
    if not has_tar_split:
        return FoundTable(content, facts)
    tar_split = _content(skipped[-2:-1], others[0], others[1], limits)
    return FoundTable(content, facts, _unpack(tar_split, others[2], limits), str(Digest.of(tar_split)))


def _content(frames: Sequence[SkippedFrame], place: int, size: int, limits: InspectionLimits) -> bytes:
    for frame in frames:
        if (frame.offset, frame.size) == (place, size):
            if frame.content is None:
                raise LimitExceededError("file_bytes", limits.file_bytes)
            return frame.content
    raise UnreadableLayerError(f"{_BAD_FOOTER}; it leads to byte {place}, where no frame of {size} bytes is")


def _unpack(content: bytes, size: int, limits: InspectionLimits) -> bytes:
    """The `size` bytes packed in `content` (Zstandard). Raises `UnreadableLayerError` if it is not just these."""
    if size > limits.file_bytes:
        raise LimitExceededError("file_bytes", limits.file_bytes)
    stream = ZstdStream(limits.window_bytes)
    plain = bytearray()
    for piece in stream.feed(content):
        plain += piece
        if len(plain) > size:
            break
    else:
        stream.finish()
    if len(plain) != size:
        raise UnreadableLayerError(
            f"what comes after the zstd data does not have the {size} bytes that its footer says"
        )
    return bytes(plain)
