"""Clients that go away in the middle of a transfer: what they leave is freed at once, not when Python finds cycles."""

import asyncio
import gc
from collections.abc import Callable, Iterator

import pytest
from aiohttp import web

from tests.proxy.face import Face, basic

BOTH_EVENT_LOOPS = True
BLOB = bytes(20_000_000)


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Python frees what nothing refers to, and looks for no cycles."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def download(face: Face) -> bytes:
    """The head of a request for a blob."""
    digest = face.blob(BLOB)
    return f"GET /v2/team/app/blobs/{digest} HTTP/1.1\r\n".encode()


def upload(_: Face) -> bytes:
    """The head of an upload in one piece, which waits to be told to go on."""
    head = f"POST /v2/team/app/blobs/uploads/?digest=sha256:{'0' * 64} HTTP/1.1\r\nContent-Length: {len(BLOB)}\r\n"
    return f"{head}Content-Type: application/octet-stream\r\nExpect: 100-continue\r\n".encode()


async def leave(face: Face, line: bytes, body: bytes) -> None:
    """Send a request, once it is taken a part of its body, and go away."""
    reader, writer = await asyncio.open_connection(face.host, face.port)
    writer.write(line + f"Host: gate\r\nAuthorization: {basic(face.token)}\r\n\r\n".encode())
    await reader.readline()
    writer.write(body)
    await writer.drain()
    writer.transport.abort()


async def all_is_answered() -> None:
    """Wait until no connection is served any more."""
    await asyncio.gather(*(task for task in asyncio.all_tasks() if "Connection.start" in str(task.get_coro())))


def requests_in_memory() -> int:
    """How many requests something still refers to."""
    return sum(isinstance(one, web.BaseRequest) for one in gc.get_objects())


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize(("begin", "body"), [(download, b""), (upload, BLOB[:2_000_000])], ids=["download", "upload"])
async def test_nothing_is_left_of_a_transfer_whose_client_is_gone(
    face: Face, begin: Callable[[Face], bytes], body: bytes
) -> None:
    async with asyncio.timeout(60):
        for _ in range(3):
            await leave(face, begin(face), body)
        await all_is_answered()
    assert requests_in_memory() == 0
