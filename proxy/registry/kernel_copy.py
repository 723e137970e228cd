"""Bodies that the kernel copies to the client's socket, past Python: what is worth the trouble is large.

    file -> client's socket                 sendfile(2), in a thread, since a disk can be slow
    upstream's socket -> pipe -> client's   splice(2), on the event loop, since it never waits

Only where the client's connection is a plain socket, and on Linux; callers have another way for the rest. On loops that
have no `sendfile`, such as uvloop, this is the only way that is not through Python.
"""

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

from aiohttp import web

from proxy.upstream.port import BlobStream, BrokenContentError, SocketBody, UpstreamTimeoutError
from storage.content.threads import to_its_end

_PIPE_BYTES = 256 * 1024
"""Of a pipe; larger ones soon use up what a user without privileges may have (pipe-user-pages-soft)."""
_PIECE = 1 << 20
_STEPS = 8
"""How many pieces are copied before others have their turn."""
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
            try:
                ahead = ahead[os.write(client, ahead) :]
            except BlockingIOError:
                await _until_writable(client)
        await _Splicing(upstream, client, outlet, inlet, body).run()


class _Splicing:
    """What is left of a body, on its way from one socket through a pipe to another.

    The event loop calls it at each event, and only the end is awaited: a task that waits for every event anew takes a
    third more processor time.
    """

    def __init__(self, upstream: int, client: int, outlet: int, inlet: int, body: SocketBody) -> None:
        self._loop = asyncio.get_running_loop()
        self._upstream = upstream
        self._client = client
        self._outlet = outlet
        self._inlet = inlet
        self._left = body.left
        self._patience = body.patience
        self._in_pipe = 0
        self._heard_at = self._loop.time()
        self._awaited: int | None = None  # the socket at whose event it goes on
        self._end: asyncio.Future[None] = self._loop.create_future()

    async def run(self) -> None:
        """Copy all of it. Raises `BrokenContentError`, `UpstreamTimeoutError`, or `OSError` where a socket fails."""
        self._go_on()
        watching = asyncio.create_task(self._watch())
        try:
            await self._end
        finally:
            watching.cancel()
            self._await(None)

    def _go_on(self) -> None:
        if self._end.done():
            return
        try:
            for _ in range(_STEPS):
                if not self._in_pipe and not self._left:
                    self._end.set_result(None)
                    return
                self._step()
        except BlockingIOError:
            self._await(self._client if self._in_pipe else self._upstream)
        except (OSError, BrokenContentError) as error:
            self._end.set_exception(error)
        else:
            self._await(None)
            self._loop.call_soon(self._go_on)  # after whatever else is to be done

    def _step(self) -> None:
        if self._in_pipe:
            self._in_pipe -= _splice(self._outlet, self._client, self._in_pipe)
            return
        count = _splice(self._upstream, self._inlet, min(self._left, _PIECE))
        if not count:
            raise BrokenContentError(f"the upstream cut the blob short by {self._left} bytes; try again")
        self._heard_at = self._loop.time()
        self._left -= count
        self._in_pipe = count

    def _await(self, socket: int | None) -> None:
        if socket == self._awaited:
            return
        if self._awaited == self._client:
            self._loop.remove_writer(self._client)
        elif self._awaited == self._upstream:
            self._loop.remove_reader(self._upstream)
        self._awaited = socket
        if socket == self._client:
            self._loop.add_writer(socket, self._go_on)
        elif socket == self._upstream:
            self._heard_at = self._loop.time()
            self._loop.add_reader(socket, self._go_on)

    async def _watch(self) -> None:
        """Bear with an upstream that is silent, for so long; a client may be as slow as it likes."""
        while not self._end.done():
            silent = self._loop.time() - self._heard_at if self._awaited == self._upstream else 0.0
            if silent >= self._patience:
                self._end.set_exception(
                    UpstreamTimeoutError(
                        f"the upstream fell silent for {self._patience:g} seconds within a blob; try again"
                    )
                )
                return
            await asyncio.sleep(self._patience - silent)


async def _until_writable(client: int) -> None:
    loop = asyncio.get_running_loop()
    happened = asyncio.Event()
    loop.add_writer(client, happened.set)
    try:
        await happened.wait()
    finally:
        loop.remove_writer(client)


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
