"""Byte ranges: what a client wants of a blob (RFC 9110 section 14), and where a chunk of an upload lies (OCI)."""

import re

from proxy.errors import RangeNotSatisfiableError, UploadInvalidError

_SINGLE = re.compile(r"bytes=\s*(\d{0,19})-(\d{0,19})\s*", re.ASCII)
_CHUNK = re.compile(r"(?:bytes )?(\d{1,19})-(\d{1,19})(?:/(?:\*|\d+))?", re.ASCII)


def wanted_range(header: str, size: int) -> tuple[int, int] | None:
    """The start and end (exclusive) that `header` asks of `size` bytes; None for everything.

    Several ranges, other units and what is malformed mean everything, as RFC 9110 allows. Raises
    `RangeNotSatisfiableError` for a range outside, or one that ends before it starts (threat 30).
    """
    match = _SINGLE.fullmatch(header)
    if match is None or not (match[1] or match[2]):
        return None
    if match[1]:
        start = int(match[1])
        end = min(int(match[2]) + 1, size) if match[2] else size
    else:
        start = max(size - int(match[2]), 0)
        end = size
    if start >= end:
        raise RangeNotSatisfiableError(f"the range {header!r} is outside the blob's {size} bytes", size=size)
    return start, end


def chunk_range(header: str) -> tuple[int, int]:
    """The start and end (exclusive) of a chunk by its Content-Range, `<start>-<last>`. Raises `UploadInvalidError`."""
    match = _CHUNK.fullmatch(header.strip())
    if match is None or int(match[2]) < int(match[1]):
        raise UploadInvalidError(f"Content-Range {header[:60]!r} is not <first byte>-<last byte>")
    return int(match[1]), int(match[2]) + 1
