"""A chunk of an upload as the body of a request: from its socket by the kernel where that can be, or piece by piece."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
from aiohttp.abc import AbstractStreamWriter

from proxy.splicing import can_splice, splice
from proxy.upstream.port import TakeBody

_PIECE = 64 * 1024
"""What is written at once is copied, and buffered whole while the upstream is slow."""


class UploadBody(aiohttp.Payload):
    """Sends `chunks`, or what `take` gives, and counts the bytes it `sent`.

    Whatever goes wrong with the source is kept in `broken`, and ends the body in good order. An upstream that takes
    nothing for `patience` seconds makes the request fail with `TimeoutError`; the time its source takes does not count.
    """

    def __init__(self, chunks: AsyncIterator[bytes], take: TakeBody | None, patience: float) -> None:
        super().__init__(chunks, content_type="application/octet-stream")
        self._chunks = chunks
        self._take = take
        self._patience = patience
        self.sent = 0
        self.broken: Exception | None = None

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Not to be had: a stream is sent once."""
        raise TypeError("an upload is sent, not shown")

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Send it."""
        await self.write_with_length(writer, None)

    async def write_with_length(self, writer: AbstractStreamWriter, _length: int | None) -> None:
        """Send it; its length is not known beforehand."""
        body = self._take() if self._take is not None and can_splice(writer.transport) else None
        if body is None:
            await self._write_chunks(writer)
        else:
            self.sent += len(body.ahead)
            self.broken = await splice(body.noted(self._count), writer, in_chunks=True, patience=self._patience)

    def _count(self, count: int) -> None:
        self.sent += count

    async def _write_chunks(self, writer: AbstractStreamWriter) -> None:
        while True:
            try:
                chunk = await anext(self._chunks)
            except StopAsyncIteration:
                return
            except Exception as error:  # noqa: BLE001 - whatever the source raises is raised again by who asked for it
                self.broken = error
                return
            async with asyncio.timeout(self._patience):
                for start in range(0, len(chunk), _PIECE):
                    await writer.write(memoryview(chunk)[start : start + _PIECE])
            self.sent += len(chunk)
