"""Bodies that the kernel copies to the client's socket, past Python: what is worth the trouble is large.

    file -> client's socket                 sendfile(2), in a thread, since a disk can be slow
    upstream's socket -> pipe -> client's   splice(2), on the event loop (`proxy.splicing`)

Only where the client's connection is a plain socket, and on Linux; callers have another way for the rest. On loops that
have no `sendfile`, such as uvloop, this is the only way that is not through Python.
"""

import asyncio
import os
import socket
from pathlib import Path

from aiohttp import web

from proxy.splicing import can_splice, emptied, is_plain, splice
from proxy.upstream.port import BlobStream, BrokenContentError
from storage.content.threads import to_its_end

_PIECE = 1 << 20


async def send_by_kernel(request: web.Request, stream: BlobStream, patience: float) -> bool:
    """Send a whole stream after the head of its answer; False, with nothing of it sent, where the kernel cannot.

    Raises `BrokenContentError` if the file or the upstream's answer ends early, `UpstreamTimeoutError` if the upstream
    falls silent, and `ConnectionAbortedError` if the client takes nothing for `patience` seconds.
    """
    if stream.start == stream.end or not is_plain(request.transport):
        return False
    if stream.file is not None:
        return await _send_file(request, stream.file, (stream.start, stream.end), patience)
    body = stream.take() if stream.take is not None and can_splice(request.transport) else None
    if body is None:
        return False
    try:
        failure = await splice(body, request.writer, patience=patience)
    except TimeoutError as error:
        raise _took_nothing(patience) from error
    if failure is not None:
        raise failure
    return True


async def _send_file(request: web.Request, path: Path, span: tuple[int, int], patience: float) -> bool:
    try:
        file = await asyncio.to_thread(os.open, path, os.O_RDONLY)
    except FileNotFoundError:
        return False  # a copy that another process has dropped; its chunks come from elsewhere
    try:
        async with emptied(request.writer) as client:
            await _copy(file, client, span, path.name, patience)
    finally:
        os.close(file)
    return True


async def _copy(file: int, client: socket.socket, span: tuple[int, int], name: str, patience: float) -> None:
    offset, end = span
    while offset < end:
        try:
            sent = await to_its_end(os.sendfile, client.fileno(), file, offset, min(end - offset, _PIECE))
        except BlockingIOError:
            await _until_writable(client, patience)
            continue
        if not sent:
            raise BrokenContentError(f"{name} is shorter than its {end} bytes")
        offset += sent


async def _until_writable(client: socket.socket, patience: float) -> None:
    loop = asyncio.get_running_loop()
    happened = asyncio.Event()
    loop.add_writer(client, happened.set)
    try:
        async with asyncio.timeout(patience):
            await happened.wait()
    except TimeoutError as error:
        raise _took_nothing(patience) from error
    finally:
        loop.remove_writer(client)


def _took_nothing(patience: float) -> ConnectionAbortedError:
    return ConnectionAbortedError(f"the client took nothing of its answer for {patience:g} seconds")
