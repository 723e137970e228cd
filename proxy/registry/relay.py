"""Bodies read from the upstream's own socket, for clients that the kernel cannot copy to: those over TLS.

A piece passes neither aiohttp's client nor what it keeps to be read, which took as long as encrypting it.
"""

import asyncio
import socket

from aiohttp.abc import AbstractStreamWriter

from proxy.splicing import duplicate
from proxy.upstream.port import BlobStream, SocketBody

_PIECE = 128 * 1024
"""What is written at once is buffered whole, twice with TLS."""


async def relay(writer: AbstractStreamWriter, stream: BlobStream) -> bool:
    """Send a whole stream after the head of its answer; False, with nothing of it sent, where its socket is not to be
    had.

    Raises `BrokenContentError` if the upstream's answer ends early, `UpstreamTimeoutError` if the upstream falls
    silent, and `ConnectionResetError` if the client is gone; one that takes nothing is cut off by its connection.
    """
    body = stream.take() if stream.take is not None and stream.start != stream.end else None
    if body is None:
        return False
    with duplicate(body.fileno) as source:  # at once: later its number may be another's
        if body.ahead:
            await writer.write(body.ahead)
        left = body.left
        while left:
            piece = await _next(source, body, left)
            left -= len(piece)
            await writer.write(piece)
            await asyncio.sleep(0)  # others have their turn, though both sides be faster than this
    return True


async def _next(source: socket.socket, body: SocketBody, left: int) -> bytes:
    while True:
        try:
            piece = source.recv(min(left, _PIECE)) if body.is_ours() else b""
        except BlockingIOError:
            await _until_readable(source, body)
            continue
        except OSError as error:
            raise body.cut_short(left) from error
        if not piece:
            raise body.cut_short(left)
        body.moved(len(piece))
        return piece


async def _until_readable(source: socket.socket, body: SocketBody) -> None:
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(source, readable.set)  # as long as it is awaited: what is there would wake the loop all the time
    try:
        async with asyncio.timeout(body.patience):
            await readable.wait()
    except TimeoutError as error:
        raise body.silent() from error
    finally:
        loop.remove_reader(source)
