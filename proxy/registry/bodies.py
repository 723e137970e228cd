"""Request bodies: never more than wanted, and never waiting for a silent client."""

import asyncio
from collections.abc import AsyncIterator

from aiohttp import web

from proxy.errors import BadRequestError, RequestTimeoutError


async def chunks(request: web.BaseRequest, patience: float) -> AsyncIterator[bytes]:
    """The body as it arrives.

    Raises `RequestTimeoutError` after `patience` seconds of silence and `BadRequestError` if its framing breaks.
    """
    content = request.content
    while True:
        try:
            async with asyncio.timeout(patience):
                chunk = await content.readany()
        except TimeoutError as error:
            raise RequestTimeoutError(f"no byte of the request's body arrived for {patience:g} seconds") from error
        except web.RequestPayloadError as error:
            raise BadRequestError("the request's body is not framed as its headers say; send it again") from error
        if not chunk:
            return
        yield chunk


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
