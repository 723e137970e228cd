"""Bodies that the kernel copies from one plain socket to another, through a pipe: splice(2), past Python.

    upstream's socket -> pipe -> client's        a blob that is pulled
    client's socket -> pipe -> upstream's        one that is pushed, each piece as a chunk (RFC 9112, 7.1)

It runs on the event loop, since it never waits. Only on Linux, and not for TLS; callers have another way for the rest.
"""

import asyncio
import fcntl
import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

from aiohttp.abc import AbstractStreamWriter

from proxy.upstream.port import SocketBody

_CAN_SPLICE = hasattr(os, "splice")
_PIPE_BYTES = 256 * 1024
"""Of a pipe; larger ones soon use up what a user without privileges may have (pipe-user-pages-soft)."""
_PIECE = 1 << 20
_STEPS = 8
"""How many pieces are copied before others have their turn."""
_CHUNK_END = b"\r\n"


def can_splice(transport: asyncio.BaseTransport | None) -> bool:
    """Whether the kernel can copy from or to this connection."""
    return _CAN_SPLICE and is_plain(transport)


def is_plain(transport: asyncio.BaseTransport | None) -> bool:
    """Whether what is written to the connection leaves its socket as it is."""
    return (
        transport is not None
        and not transport.is_closing()
        and transport.get_extra_info("socket") is not None
        and transport.get_extra_info("sslcontext") is None
    )


@asynccontextmanager
async def emptied(writer: AbstractStreamWriter) -> AsyncIterator[socket.socket]:
    """The socket of a writer's connection, which must be plain, once everything that was written has left.

    It is a duplicate, which stays what it is whatever becomes of the connection.
    """
    transport = writer.transport
    if transport is None or transport.is_closing():
        raise ConnectionResetError("the connection is closed")
    with duplicate(transport.get_extra_info("socket").fileno()) as handle:
        writer.send_headers()
        transport.set_write_buffer_limits(high=0)
        try:
            while transport.get_write_buffer_size():
                await writer.drain()
                await asyncio.sleep(0)  # a loop may write only once nothing else is to be done
            yield handle
        finally:
            if not transport.is_closing():
                transport.set_write_buffer_limits()


@contextmanager
def duplicate(handle: int) -> Iterator[socket.socket]:
    """A duplicate of a socket. Raises `ConnectionResetError` if it is closed already."""
    try:
        copy = os.dup(handle)
    except OSError as error:
        raise ConnectionResetError("the connection is closed") from error
    with socket.socket(fileno=copy) as opened:
        opened.setblocking(False)
        yield opened


async def splice(
    body: SocketBody, writer: AbstractStreamWriter, *, in_chunks: bool = False, patience: float | None = None
) -> Exception | None:
    """Send a body on, after what `writer` has got already; gives why there was no more of it, None if it came whole.

    With `in_chunks`, what came is framed as chunks, and whole ones whatever happens to the body; the last one, which is
    empty, is left to the caller. Raises `TimeoutError` if the target takes nothing for `patience` seconds, and
    `OSError` where it fails.
    """
    with duplicate(body.fileno) as source, _pipe() as pipe:  # at once: later its number may be another's
        async with asyncio.timeout(patience) as deadline:
            if body.ahead:
                await writer.write(body.ahead)
            async with emptied(writer) as target:
                deadline.reschedule(None)
                return await _Splicing(source, target, pipe, body, in_chunks=in_chunks, patience=patience).run()


class _Splicing:
    """What is left of a body, on its way from one socket through a pipe to another.

    The event loop calls it at each event, and only the end is awaited: a task that waits for every event anew takes a
    third more processor time.
    """

    def __init__(
        self,
        source: socket.socket,
        target: socket.socket,
        pipe: tuple[int, int],
        body: SocketBody,
        *,
        in_chunks: bool,
        patience: float | None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._source = source
        self._target = target
        self._outlet, self._inlet = pipe
        self._body = body
        self._in_chunks = in_chunks
        self._patience = {source: body.patience} | ({target: patience} if patience is not None else {})
        self._left = body.left
        self._due = b""  # of the framing; goes before what is in the pipe
        self._in_pipe = 0
        self._has_open_chunk = False
        self._is_readable = False
        self._progress_at = self._loop.time()
        self._awaited: socket.socket | None = None  # at whose event it goes on
        self._failure: Exception | None = None
        self._end: asyncio.Future[Exception | None] = self._loop.create_future()

    async def run(self) -> Exception | None:
        """Copy all of it. Gives and raises what `splice` does."""
        self._go_on()
        watching = asyncio.create_task(self._watch())
        try:
            return await self._end
        finally:
            watching.cancel()
            self._await(None)

    def _go_on(self) -> None:
        if self._end.done():
            return
        try:
            for _ in range(_STEPS):
                if not self._step():
                    self._end.set_result(self._failure)
                    return
        except BlockingIOError:
            self._await(self._target if self._due or self._in_pipe else self._source)
        except OSError as error:
            self._end.set_exception(error)
        else:
            self._await(None)
            self._loop.call_soon(self._go_on)  # after whatever else is to be done

    def _go_on_reading(self) -> None:
        self._is_readable = True
        self._go_on()

    def _step(self) -> bool:
        """Do what comes next; False if nothing does."""
        if self._due:
            self._due = self._due[self._target.send(self._due, socket.MSG_MORE if self._in_pipe else 0) :]
        elif self._in_pipe:
            self._in_pipe -= _move(self._outlet, self._target.fileno(), self._in_pipe)
        elif self._left:
            self._take()
        elif self._has_open_chunk:
            self._has_open_chunk = False
            self._due = _CHUNK_END
        else:
            return False
        self._progress_at = self._loop.time()
        return True

    def _take(self) -> None:
        try:
            count = self._pull() if self._body.is_ours() else 0
        except BlockingIOError:
            raise
        except OSError:
            count = 0
        if not count:
            self._fail(self._body.cut_short(self._left))
            return
        self._left -= count
        self._in_pipe = count
        self._body.moved(count)
        if self._in_chunks:
            self._due = (_CHUNK_END if self._has_open_chunk else b"") + f"{count:x}\r\n".encode()
            self._has_open_chunk = True

    def _pull(self) -> int:
        is_readable, self._is_readable = self._is_readable, False
        try:
            return _move(self._source.fileno(), self._inlet, min(self._left, _PIECE))
        except BlockingIOError:
            if not is_readable:
                raise
        # Something is there that is not to be had in this way: urgent data stops splice for ever, and is read past.
        return os.write(self._inlet, self._source.recv(1))

    def _fail(self, failure: Exception) -> None:
        """No more of the body comes; what there is of it is still sent."""
        self._failure = failure
        self._left = 0

    def _await(self, handle: socket.socket | None) -> None:
        if handle is self._awaited:
            return
        if self._awaited is self._target:
            self._loop.remove_writer(self._target)
        elif self._awaited is self._source:
            self._loop.remove_reader(self._source)
        self._awaited = handle
        if handle is self._target:
            self._loop.add_writer(handle, self._go_on)
        elif handle is self._source:
            self._loop.add_reader(handle, self._go_on_reading)

    async def _watch(self) -> None:
        """Bear with whom the copy waits for, for so long; a target without a patience may be as slow as it likes."""
        while not self._end.done():
            patience = self._patience.get(self._awaited) if self._awaited is not None else None
            if patience is None:
                await asyncio.sleep(min(self._patience.values()))
                continue
            left = self._progress_at + patience - self._loop.time()
            if left > 0:
                await asyncio.sleep(left)
            elif self._awaited is self._target:
                self._end.set_exception(TimeoutError())
            else:
                self._fail(self._body.silent())
                self._go_on()


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


def _move(source: int, target: int, count: int) -> int:
    return os.splice(source, target, count, flags=os.SPLICE_F_MOVE | os.SPLICE_F_NONBLOCK)
