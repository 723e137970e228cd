"""What is copied by the kernel, seen from its two sockets."""

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import StreamWriter

from proxy.splicing import splice
from proxy.upstream.port import SocketBody

BOTH_EVENT_LOOPS = True
PART = b"0123456789" * 100


class Line:
    """A source to write to, a target to read from, and what is to be copied between them."""

    def __init__(self) -> None:
        self.source, self.from_source = socket.socketpair()
        self.to_target, self.target = socket.socketpair()
        for each in (self.from_source, self.to_target, self.target):
            each.setblocking(False)

    async def writer(self) -> StreamWriter:
        """As aiohttp's are."""
        loop = asyncio.get_running_loop()
        _, protocol = await loop.create_connection(lambda: BaseProtocol(loop), sock=self.to_target)
        return StreamWriter(protocol, loop)

    def body(self, left: int, patience: float = 60) -> SocketBody:
        """The next bytes of the source."""
        handle = self.from_source.fileno()
        return SocketBody(handle, b"", left, patience, lambda left: EOFError(f"{left} left"), lambda: EOFError("late"))


@pytest.fixture
async def line() -> AsyncIterator[Line]:
    made = Line()
    yield made
    for each in (made.source, made.from_source, made.target):
        each.close()


async def test_bytes_that_follow_the_body_stay_where_they_are(line: Line) -> None:
    writer = await line.writer()
    line.source.sendall(PART + b"what follows")
    assert await splice(line.body(len(PART)), writer) is None
    assert line.target.recv(5000) == PART
    assert line.from_source.recv(5000) == b"what follows"
    assert writer.transport is not None
    writer.transport.close()


async def test_nothing_is_read_any_more_once_the_socket_was_given_back(line: Line) -> None:
    """What comes then may be the next request, which nobody would ever answer."""
    writer = await line.writer()
    is_given_back = False

    def moved(count: int) -> None:
        nonlocal is_given_back
        assert count == len(PART)
        is_given_back = True
        line.source.sendall(b"what follows")

    body = replace(line.body(2 * len(PART)), moved=moved, is_ours=lambda: not is_given_back)
    line.source.sendall(PART)
    assert str(await splice(body, writer, in_chunks=True)) == f"{len(PART)} left"
    assert line.target.recv(5000) == b"%x\r\n%b\r\n" % (len(PART), PART)
    assert line.from_source.recv(5000) == b"what follows"
    assert writer.transport is not None
    writer.transport.close()


async def test_a_silent_source_ends_the_chunk_it_was_in(line: Line) -> None:
    writer = await line.writer()
    line.source.sendall(PART)
    assert str(await splice(line.body(5000, patience=0.1), writer, in_chunks=True)) == "late"
    assert line.target.recv(5000) == b"%x\r\n%b\r\n" % (len(PART), PART)
    assert writer.transport is not None
    writer.transport.close()
