"""What an upstream answers when it is asked for a blob: which part it sends, and the bytes of it, or its socket."""

import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass

import aiohttp

from proxy.splicing import can_splice
from proxy.upstream.answers import receiving
from proxy.upstream.port import BrokenContentError, SocketBody, TakeBody, UpstreamTimeoutError

_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})")
_LENGTH = re.compile(r"\d{1,18}")
_WORTH_A_CONNECTION = 1 << 20


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes `start` to `end` of a blob of `size`; `skip` bytes come before them in the answer."""

    size: int
    start: int
    end: int
    skip: int = 0


def span_of(response: aiohttp.ClientResponse, start: int, end: int | None, doing: str) -> Span | None:
    """What an answer to a GET of `start` to `end` holds; None if it does not say how long the blob is."""
    if response.status == 200:
        size = content_length(response)
        if size is None:
            return None
        return Span(size, start, size if end is None else end, skip=start)
    text = response.headers.get("Content-Range", "")
    found = _CONTENT_RANGE.fullmatch(text)
    if found is None or int(found[1]) != start or int(found[2]) + 1 != (int(found[3]) if end is None else end):
        raise BrokenContentError(f"the upstream sent another part, {text[:80]!r}, when {doing}")
    return Span(int(found[3]), start, int(found[2]) + 1)


async def exactly(response: aiohttp.ClientResponse, span: Span, doing: str) -> AsyncGenerator[bytes, None]:
    """The span's bytes. Raises `BrokenContentError` when the answer ends before them (threat 66)."""
    skip, left = span.skip, span.end - span.start
    while left > 0:
        with receiving(doing):
            chunk = await response.content.readany()
        if not chunk:
            raise BrokenContentError(f"the upstream cut the blob short by {left} bytes when {doing}")
        if skip:
            skip, chunk = max(skip - len(chunk), 0), chunk[skip:]
        if chunk:
            chunk = chunk[:left]
            left -= len(chunk)
            yield chunk


def taking(response: aiohttp.ClientResponse, span: Span, patience: float, doing: str) -> TakeBody | None:
    """How to take the socket of an answer of which nothing was read yet; None where that cannot or need not be.

    It needs no parser any more if it has the span's bytes and no others, one after the other. The connection cannot be
    used again, so it must be worth that.
    """
    length = span.end - span.start
    transport = response.connection.transport if response.connection is not None else None
    if transport is None or length < _WORTH_A_CONNECTION or content_length(response) != length:
        return None
    if not can_splice(transport):
        return None

    def cut_short(left: int) -> Exception:
        return BrokenContentError(f"the upstream cut the blob short by {left} bytes when {doing}; try again")

    def silent() -> Exception:
        return UpstreamTimeoutError(f"the upstream fell silent for {patience:g} seconds when {doing}; try again")

    def take() -> SocketBody | None:
        if transport.is_closing():
            return None
        ahead: list[bytes] = []
        with receiving(doing):
            while piece := response.content.read_nowait():  # which makes the parser go on with what it held back
                ahead.append(piece)
        transport.pause_reading()
        handle = transport.get_extra_info("socket").fileno()
        left = length - sum(map(len, ahead))
        return SocketBody(handle, b"".join(ahead), left, patience, cut_short, silent)

    return take


def content_length(response: aiohttp.ClientResponse) -> int | None:
    """How long an answer says that it is; None where it does not, or in no number."""
    text = response.headers.get("Content-Length", "")
    return int(text) if _LENGTH.fullmatch(text) else None
