"""Bodies that the kernel copies to the client's socket, past Python: what is worth the trouble is large.

    file -> client's socket                 sendfile(2), in a thread, since a disk can be slow
    upstream's socket -> pipe -> client's   splice(2), on the event loop, since it never waits

Only where the client's connection is a plain socket, and on Linux; callers have another way for the rest. On loops that
have no `sendfile`, such as uvloop, this is the only way that is not through Python.
"""

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from pathlib import Path

from aiohttp import web

from proxy.upstream.port import BlobStream, BrokenContentError, SocketBody, UpstreamTimeoutError
from storage.content.threads import to_its_end

_PIPE_BYTES = 256 * 1024
"""Of a pipe; larger ones soon use up what a user without privileges may have (pipe-user-pages-soft)."""
_PIECE = 1 << 20
_CAN_SPLICE = hasattr(os, "splice")


async def send_by_kernel(request: web.Request, stream: BlobStream) -> bool:
    """Send a whole stream after the head of its answer; False, with nothing of it sent, where the kernel cannot.

    Raises `BrokenContentError` if the file or the upstream's answer ends early, `UpstreamTimeoutError` if the upstream
    falls silent.
    """
    if stream.start == stream.end or (stream.file is None and (stream.take is None or not _CAN_SPLICE)):
        return False
    async with _plain_socket(request) as client:
        if client is None:
            return False
        if stream.file is not None:
            return await _send_file(client, stream.file, stream.start, stream.end)
        body = stream.take() if stream.take is not None else None
        if body is None:
            return False
        await _send_socket(client, body)
        return True


async def _send_file(client: int, path: Path, start: int, end: int) -> bool:
    try:
        file = await asyncio.to_thread(os.open, path, os.O_RDONLY)
    except FileNotFoundError:
        return False  # a copy that another process has dropped; its chunks come from elsewhere
    try:
        offset = start
        while offset < end:
            try:
                sent = await to_its_end(os.sendfile, client, file, offset, min(end - offset, _PIECE))
            except BlockingIOError:
                await _until_writable(client)
                continue
            if not sent:
                raise BrokenContentError(f"{path.name} is shorter than its {end} bytes")
            offset += sent
    finally:
        os.close(file)
    return True


async def _send_socket(client: int, body: SocketBody) -> None:
    with _duplicate(body.fileno) as upstream, _pipe() as (outlet, inlet):
        ahead = memoryview(body.ahead)
        while ahead:
            ahead = ahead[await _written(client, partial(os.write, client, ahead)) :]
        left = body.left
        while left:
            try:
                async with asyncio.timeout(body.patience):
                    count = await _received(upstream, inlet, min(left, _PIECE))
            except TimeoutError as error:
                raise UpstreamTimeoutError(
                    f"the upstream fell silent for {body.patience:g} seconds within a blob; try again"
                ) from error
            if not count:
                raise BrokenContentError(f"the upstream cut the blob short by {left} bytes; try again")
            left -= count
            while count:
                count -= await _written(client, partial(_splice, outlet, client, count))


async def _received(upstream: int, inlet: int, most: int) -> int:
    loop = asyncio.get_running_loop()
    while True:
        try:
            return _splice(upstream, inlet, most)
        except BlockingIOError:
            await _event(upstream, loop.add_reader, loop.remove_reader)


async def _written(client: int, attempt: Callable[[], int]) -> int:
    while True:
        try:
            return attempt()
        except BlockingIOError:
            await _until_writable(client)


async def _until_writable(client: int) -> None:
    loop = asyncio.get_running_loop()
    await _event(client, loop.add_writer, loop.remove_writer)


async def _event(handle: int, add: Callable[..., None], remove: Callable[[int], object]) -> None:
    happened = asyncio.Event()
    add(handle, happened.set)
    try:
        await happened.wait()
    finally:
        remove(handle)


@asynccontextmanager
async def _plain_socket(request: web.Request) -> AsyncIterator[int | None]:
    """The client's socket, once everything that was written to its transport has left; None if it is not a plain one.

    It is a duplicate, which stays what it is whatever becomes of the connection.
    """
    transport = request.transport
    known = transport.get_extra_info("socket") if transport is not None else None
    if transport is None or known is None or transport.get_extra_info("sslcontext") is not None:
        yield None
        return
    request.writer.send_headers()
    transport.set_write_buffer_limits(high=0)
    try:
        while transport.get_write_buffer_size():
            await request.writer.drain()
            await asyncio.sleep(0)  # a loop may write only once nothing else is to be done
        with _duplicate(known.fileno()) as client:
            yield client
    finally:
        if not transport.is_closing():
            transport.set_write_buffer_limits()


@contextmanager
def _duplicate(handle: int) -> Iterator[int]:
    try:
        copy = os.dup(handle)
    except OSError as error:
        raise ConnectionResetError("the connection is closed") from error
    try:
        yield copy
    finally:
        os.close(copy)


@contextmanager
def _pipe() -> Iterator[tuple[int, int]]:
    outlet, inlet = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        with suppress(PermissionError):  # then it stays as small as it is
            fcntl.fcntl(inlet, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        yield outlet, inlet
    finally:
        os.close(outlet)
        os.close(inlet)


def _splice(source: int, target: int, count: int) -> int:
    return os.splice(source, target, count, flags=os.SPLICE_F_MOVE | os.SPLICE_F_NONBLOCK)
