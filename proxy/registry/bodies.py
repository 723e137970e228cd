"""Request bodies: never more than wanted, and never waiting for a silent client."""

import asyncio
from collections.abc import AsyncIterator

from aiohttp import web

from proxy.connection import ClientGoneError, Connection
from proxy.errors import BadRequestError, RequestTimeoutError
from proxy.splicing import can_splice
from proxy.upstream.port import SocketBody

_PIECE = 128 * 1024
"""At most read at once: what is on its way to a slow upstream, besides what waits to be read."""
_WORTH_TAKING = 256 * 1024


async def chunks(request: web.BaseRequest, patience: float) -> AsyncIterator[bytes]:
    """The body as it arrives.

    Raises `RequestTimeoutError` after `patience` seconds of silence and `BadRequestError` if its framing breaks.
    """
    content = request.content
    while True:
        try:
            async with asyncio.timeout(patience):
                chunk = await content.read(_PIECE)
        except TimeoutError as error:
            raise _silent(patience) from error
        except web.RequestPayloadError as error:
            raise BadRequestError("the request's body is not framed as its headers say; send it again") from error
        if not chunk:
            return
        yield chunk


def take(request: web.BaseRequest, patience: float) -> SocketBody | None:
    """The body as it lies in its socket, for whoever can use it there; None where it is to be read as `chunks`.

    It is cut short by a `ClientGoneError`. The connection must be given back in the end.
    """
    connection, length = request.protocol, request.content_length
    if (
        not isinstance(connection, Connection)
        or not can_splice(connection.transport)
        or length is None
        or length - request.content.total_bytes < _WORTH_TAKING
    ):
        return None
    taken = connection.take_body(request)
    if taken is None or connection.transport is None:
        return None
    return SocketBody(
        connection.transport.get_extra_info("socket").fileno(),
        taken.ahead,
        taken.left,
        patience,
        cut_short=lambda left: ClientGoneError(f"the client went away with {left} bytes of a body unsent"),
        silent=lambda: _silent(patience),
        moved=taken.took,
        is_ours=lambda: not taken.is_given_back,
    )


def _silent(patience: float) -> RequestTimeoutError:
    return RequestTimeoutError(f"no byte of the request's body arrived for {patience:g} seconds")


async def read_bounded(request: web.BaseRequest, limit: int, patience: float) -> bytes | None:
    """The whole body; None if it has more than `limit` bytes, of which no more are read."""
    if (request.content_length or 0) > limit:
        return None
    parts: list[bytes] = []
    total = 0
    async for chunk in chunks(request, patience):
        total += len(chunk)
        if total > limit:
            return None
        parts.append(chunk)
    return b"".join(parts)
