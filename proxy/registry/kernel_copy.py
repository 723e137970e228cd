"""Bodies that the kernel copies to the client's socket, past Python: what is worth the trouble is large.

    file -> client's socket                 sendfile(2), on the event loop what is in memory, else in a thread, since a
                                            disk can be slow
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
_STEPS = 4
"""How many pieces are sent before others have their turn."""
_AT_ONCE = getattr(os, "RWF_NOWAIT", 0)


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
        offset = await _Sending(file, client, (offset, end), patience).run()
        if offset == end:
            return
        try:
            count = min(end - offset, _STEPS * _PIECE)
            sent = await to_its_end(_send, client.fileno(), file, offset, count)
        except BlockingIOError:
            await _until_writable(client, patience)
            continue
        if not sent:
            raise BrokenContentError(f"{name} is shorter than its {end} bytes")
        offset += sent


def _send(client: int, file: int, offset: int, count: int) -> int:
    """Send what the client takes at once; gives how much, 0 at the end of the file. Raises `BlockingIOError`."""
    sent = 0
    try:
        while sent < count and (more := os.sendfile(client, file, offset + sent, min(count - sent, _PIECE))):
            sent += more
    except BlockingIOError:
        if not sent:
            raise
    return sent


class _Sending:
    """What of a file is in memory, on its way to a client; nothing of it waits for the disk.

    The event loop calls it whenever the client takes more, and only the end is awaited: neither a thread nor a task
    has to be woken for each piece.
    """

    def __init__(self, file: int, client: socket.socket, span: tuple[int, int], patience: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._file = file
        self._client = client
        self._offset, self._to = span
        self._patience = patience
        self._taken_at = self._loop.time()
        self._end: asyncio.Future[int] = self._loop.create_future()

    async def run(self) -> int:
        """Send up to what has to be read from the disk; gives how far that is."""
        self._go_on()
        if self._end.done():
            return self._end.result()
        self._loop.add_writer(self._client, self._go_on)
        watching = asyncio.create_task(self._watch())
        try:
            return await self._end
        finally:
            watching.cancel()
            self._loop.remove_writer(self._client)

    def _go_on(self) -> None:
        if self._end.done():
            return
        try:
            for _ in range(_STEPS):
                count = min(self._to - self._offset, _PIECE)
                if not count or not is_in_memory(self._file, self._offset, count):
                    self._end.set_result(self._offset)
                    return
                self._offset += os.sendfile(self._client.fileno(), self._file, self._offset, count)
                self._taken_at = self._loop.time()
        except BlockingIOError:
            return
        except OSError as error:
            self._end.set_exception(error)

    async def _watch(self) -> None:
        while not self._end.done():
            left = self._taken_at + self._patience - self._loop.time()
            if left > 0:
                await asyncio.sleep(left)
            else:
                self._end.set_exception(_took_nothing(self._patience))


def is_in_memory(file: int, offset: int, count: int) -> bool:
    """Whether a piece of a file can be had without the disk, as far as its ends tell: what is read is read in a row.

    False at the end of a file, and wherever the system does not say.
    """
    if not _AT_ONCE:
        return False
    try:
        return all(os.preadv(file, [bytearray(1)], place, _AT_ONCE) for place in (offset, offset + count - 1))
    except OSError:
        return False


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
