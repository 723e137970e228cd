"""Large bodies on the ways past Python: the bytes are the same, and what breaks off is never taken for the whole."""

import asyncio
import hashlib
import os
import random
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from proxy.registry.kernel_copy import is_in_memory, send_by_kernel
from proxy.registry.relay import relay
from proxy.upstream.connection import RemoteOptions
from proxy.upstream.origin import Origin
from proxy.upstream.port import BlobStream, BrokenContentError, UpstreamError, UpstreamTimeoutError
from proxy.upstream.remote import RemoteUpstream
from scanning.oci.digest import Digest
from scanning.oci.names import Repository

BOTH_EVENT_LOOPS = True

CONTENT = os.urandom(5_000_000)
BLOB = Digest.of(CONTENT)
APP = Repository("team/app")
Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]
Way = Callable[[web.Request, BlobStream, float], Awaitable[bool]]


async def by_relay(request: web.Request, stream: BlobStream, _patience: float) -> bool:
    """The way for clients over TLS, whose connections cut off who takes nothing."""
    return await relay(request.writer, stream)


BOTH_WAYS = pytest.mark.parametrize("way", [send_by_kernel, by_relay])
"""How what the upstream sends can go past aiohttp's client."""


def head(length: int = len(CONTENT), more: str = "") -> bytes:
    """The head of an answer."""
    return f"HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n{more}\r\n".encode()


@asynccontextmanager
async def answering(answer: Answer, patience: float = 60) -> AsyncIterator[RemoteUpstream]:
    """A registry that answers every request by writing what it is told, as an upstream."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            await answer(writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        origin = Origin.parse(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        upstream = RemoteUpstream(RemoteOptions(origin, read_timeout=patience))
        yield upstream
        await upstream.close()


@dataclass
class Front:
    """A server that sends streams on, and says of each what became of it."""

    url: str = ""
    way: Way = send_by_kernel
    patience: float = 60.0
    streams: list[Callable[[], AsyncIterator[BlobStream]]] = field(default_factory=list)
    outcomes: asyncio.Queue[bool | Exception] = field(default_factory=asyncio.Queue)

    async def became(self, count: int = 1) -> list[bool | Exception]:
        """Whether each of the next streams went that way, or what went wrong."""
        async with asyncio.timeout(60):
            return [await self.outcomes.get() for _ in range(count)]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Send the next stream that way, or else as it is read."""
        async with asynccontextmanager(self.streams.pop(0))() as stream:
            response = web.StreamResponse()
            response.content_length = stream.end - stream.start
            await response.prepare(request)
            try:
                sent = await self.way(request, stream, self.patience)
                self.outcomes.put_nowait(sent)
            except (UpstreamError, ConnectionError) as error:
                self.outcomes.put_nowait(error)
                assert request.transport is not None
                request.transport.abort()
                raise ConnectionAbortedError from error
            except asyncio.CancelledError:  # so aiohttp may tell that the client is gone
                self.outcomes.put_nowait(ConnectionAbortedError("cancelled"))
                raise
            if not sent:
                async for chunk in stream.chunks:
                    await response.write(chunk)
            await response.write_eof()
            return response


@asynccontextmanager
async def front(*streams: Callable[[], AsyncIterator[BlobStream]], way: Way = send_by_kernel) -> AsyncIterator[Front]:
    """The server, for as many requests as there are streams."""
    made = Front(way=way, streams=[*streams])
    application = web.Application()
    application.router.add_get("/", made.handle)
    async with TestServer(application) as server:
        made.url = str(server.make_url("/"))
        yield made


async def get(session: aiohttp.ClientSession, url: str) -> bytes:
    """The whole body."""
    async with session.get(url) as response:
        return await response.read()


def from_registry(
    upstream: RemoteUpstream, start: int = 0, end: int | None = None
) -> Callable[[], AsyncIterator[BlobStream]]:
    """A blob as the remote adapter opens it."""

    async def stream() -> AsyncIterator[BlobStream]:
        async with upstream.open_blob(APP, BLOB, start, end) as opened:
            assert opened is not None
            yield opened

    return stream


@pytest.fixture
def in_memory(tmp_path: Path) -> Path:
    """A file that was just written."""
    path = tmp_path / "blob"
    path.write_bytes(CONTENT)
    with path.open("rb") as file:
        if not is_in_memory(file.fileno(), 0, len(CONTENT)):
            pytest.skip("the file system does not say what is in memory")
    return path


def from_file(path: Path, start: int, end: int) -> Callable[[], AsyncIterator[BlobStream]]:
    """A file as the cache opens it."""

    async def other_chunks() -> AsyncIterator[bytes]:
        yield CONTENT[start:end]

    async def stream() -> AsyncIterator[BlobStream]:
        yield BlobStream(len(CONTENT), start, end, other_chunks(), path)

    return stream


def _is_open(handle: int) -> bool:
    try:
        os.fstat(handle)
    except OSError:
        return False
    return True


async def in_pieces(writer: asyncio.StreamWriter) -> None:
    """Write the blob so that it arrives in pieces of every size."""
    writer.write(head() + CONTENT[:17])
    for start in range(17, len(CONTENT), 700_001):
        await writer.drain()
        await asyncio.sleep(0.005)
        writer.write(CONTENT[start : start + 700_001])
    await writer.drain()


@BOTH_WAYS
async def test_a_blob_goes_from_socket_to_socket_and_the_connection_goes_on(way: Way) -> None:
    async with (
        answering(in_pieces) as registry,
        front(from_registry(registry), from_registry(registry), way=way) as served,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) as session,
    ):
        for _ in range(2):
            assert hashlib.sha256(await get(session, served.url)).hexdigest() == BLOB.hex
        assert await served.became(2) == [True, True]


@BOTH_WAYS
async def test_eight_at_a_time_do_not_mix(way: Way) -> None:
    async with (
        answering(in_pieces) as registry,
        front(*[from_registry(registry)] * 8, way=way) as served,
        aiohttp.ClientSession() as session,
    ):
        bodies = await asyncio.gather(*(get(session, served.url) for _ in range(8)))
        assert {Digest.of(body) for body in bodies} == {BLOB}
        assert await served.became(8) == [True] * 8


@BOTH_WAYS
async def test_a_part_of_a_blob_is_only_that_part(way: Way) -> None:
    async def part(writer: asyncio.StreamWriter) -> None:
        text = f"Content-Range: bytes 1000-2999999/{len(CONTENT)}\r\n"
        writer.write(head(2_999_000, text).replace(b"200 OK", b"206 Partial Content") + CONTENT[1000:3_000_000])
        await writer.drain()

    async with (
        answering(part) as registry,
        front(from_registry(registry, 1000, 3_000_000), way=way) as served,
        aiohttp.ClientSession() as session,
    ):
        assert await get(session, served.url) == CONTENT[1000:3_000_000]
        assert await served.became() == [True]


@BOTH_WAYS
async def test_a_registry_that_ignores_the_range_or_sends_chunks_is_left_to_a_parser(way: Way) -> None:
    async def whole(writer: asyncio.StreamWriter) -> None:
        writer.write(head() + CONTENT)
        await writer.drain()

    async def chunked(writer: asyncio.StreamWriter) -> None:
        text = f"Content-Range: bytes 0-{len(CONTENT) - 1}/{len(CONTENT)}\r\nTransfer-Encoding: chunked\r\n"
        writer.write(f"HTTP/1.1 206 Partial Content\r\n{text}\r\n{len(CONTENT):x}\r\n".encode() + CONTENT)
        writer.write(b"\r\n0\r\n\r\n")
        await writer.drain()

    async with (
        answering(whole) as first,
        answering(chunked) as second,
        front(from_registry(first, 10), from_registry(second, 0, len(CONTENT)), way=way) as served,
        aiohttp.ClientSession() as session,
    ):
        assert await get(session, served.url) == CONTENT[10:]
        assert await get(session, served.url) == CONTENT
        assert await served.became(2) == [False, False]


@BOTH_WAYS
async def test_t66_a_blob_cut_short_ends_the_clients_connection(way: Way) -> None:
    async def cut(writer: asyncio.StreamWriter) -> None:
        writer.write(head() + CONTENT[:3_000_000])
        await writer.drain()

    async with (
        answering(cut) as registry,
        front(from_registry(registry), way=way) as served,
        aiohttp.ClientSession() as session,
    ):
        with pytest.raises(aiohttp.ClientPayloadError):
            await get(session, served.url)
        assert isinstance((await served.became())[0], BrokenContentError)


@BOTH_WAYS
async def test_a_registry_that_falls_silent_within_a_blob_is_given_up(way: Way) -> None:
    over = asyncio.Event()

    async def stall(writer: asyncio.StreamWriter) -> None:
        writer.write(head() + CONTENT[:3_000_000])
        await writer.drain()
        await over.wait()

    async with (
        answering(stall, patience=0.5) as registry,
        front(from_registry(registry), way=way) as served,
        aiohttp.ClientSession() as session,
    ):
        with pytest.raises(aiohttp.ClientPayloadError):
            await get(session, served.url)
        over.set()
        assert isinstance((await served.became())[0], UpstreamTimeoutError)


def endless(ended: asyncio.Event) -> Answer:
    """A blob that goes on until its connection is closed, which sets `ended`."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(head(1 << 40))
        try:
            while True:
                writer.write(CONTENT)
                await writer.drain()
        finally:
            ended.set()

    return answer


@BOTH_WAYS
async def test_a_client_that_goes_away_ends_its_stream(way: Way) -> None:
    ended = asyncio.Event()
    async with answering(endless(ended)) as registry, front(from_registry(registry), way=way) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(served.url.rstrip("/").rpartition(":")[2]))
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readexactly(4_000_000)
        writer.transport.abort()
        async with asyncio.timeout(60):
            await ended.wait()
        assert isinstance((await served.became())[0], ConnectionError)


async def test_t72_a_client_that_takes_nothing_is_given_up_and_the_upstream_let_go() -> None:
    ended = asyncio.Event()
    async with answering(endless(ended)) as registry, front(from_registry(registry)) as served:
        served.patience = 0.2
        _, writer = await asyncio.open_connection("127.0.0.1", int(served.url.rstrip("/").rpartition(":")[2]))
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        (outcome,) = await served.became()
        async with asyncio.timeout(60):
            await ended.wait()
        writer.transport.abort()
    assert isinstance(outcome, ConnectionAbortedError)
    assert str(outcome) == "the client took nothing of its answer for 0.2 seconds"


async def test_a_file_and_a_part_of_it(tmp_path: Path) -> None:
    path = tmp_path / "blob"
    path.write_bytes(CONTENT)
    parts = ((0, len(CONTENT)), (1_000_000, 4_999_999), (7, 8))
    async with front(*(from_file(path, *part) for part in parts)) as served, aiohttp.ClientSession() as session:
        for start, end in parts:
            assert await get(session, served.url) == CONTENT[start:end]
        assert await served.became(3) == [True] * 3


async def test_what_is_in_memory_needs_no_thread(in_memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(*_: object) -> int:
        raise AssertionError("a thread was asked for")

    monkeypatch.setattr("proxy.registry.kernel_copy.to_its_end", never)
    whole = from_file(in_memory, 0, len(CONTENT))
    async with front(*[whole] * 8) as served, aiohttp.ClientSession() as session:
        bodies = await asyncio.gather(*(get(session, served.url) for _ in range(8)))
        assert await served.became(8) == [True] * 8
    assert {Digest.of(body) for body in bodies} == {BLOB}


async def test_what_comes_and_goes_in_memory_is_sent_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some pieces by the event loop, others by a thread."""
    chance = random.Random(27)  # noqa: S311 (a test that can be repeated)
    monkeypatch.setattr("proxy.registry.kernel_copy.is_in_memory", lambda *_: chance.random() < 0.5)
    monkeypatch.setattr("proxy.registry.kernel_copy._PIECE", 50_001)
    path = tmp_path / "blob"
    path.write_bytes(CONTENT)
    async with front(*[from_file(path, 3, len(CONTENT))] * 4) as served, aiohttp.ClientSession() as session:
        bodies = await asyncio.gather(*(get(session, served.url) for _ in range(4)))
        assert await served.became(4) == [True] * 4
    assert bodies == [CONTENT[3:]] * 4


def test_the_end_of_a_file_and_what_cannot_be_told_are_not_in_memory(in_memory: Path) -> None:
    with in_memory.open("rb") as file:
        assert is_in_memory(file.fileno(), 0, len(CONTENT))
        assert not is_in_memory(file.fileno(), 0, len(CONTENT) + 1)
    reading, writing = os.pipe()
    assert not is_in_memory(reading, 0, 1)
    os.close(reading)
    os.close(writing)


@pytest.mark.parametrize("is_there", [True, False])
async def test_t72_a_client_that_takes_nothing_of_a_file_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_there: bool
) -> None:
    monkeypatch.setattr("proxy.registry.kernel_copy.is_in_memory", lambda *_: is_there)
    path = tmp_path / "blob"
    with path.open("wb") as file:
        file.truncate(1 << 30)
    async with front(from_file(path, 0, 1 << 30)) as served:
        served.patience = 0.2
        _, writer = await asyncio.open_connection("127.0.0.1", int(served.url.rstrip("/").rpartition(":")[2]))
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        (outcome,) = await served.became()
        writer.transport.abort()
    assert isinstance(outcome, ConnectionAbortedError)
    assert str(outcome) == "the client took nothing of its answer for 0.2 seconds"


async def test_nothing_is_closed_under_a_thread_that_still_sends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is opened next gets the same numbers: the thread would send another file, or to another client."""
    loop, begun, ended, go_on = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event(), threading.Event()
    were_open: list[bool] = []
    tasks: list[asyncio.Task[object] | None] = []

    def slow(client: int, file: int, _offset: int, count: int) -> int:
        loop.call_soon_threadsafe(begun.set)
        go_on.wait(60)
        were_open.extend((_is_open(client), _is_open(file)))
        loop.call_soon_threadsafe(ended.set)
        return count

    async def stream() -> AsyncIterator[BlobStream]:
        tasks.append(asyncio.current_task())
        async with asynccontextmanager(from_file(path, 0, len(CONTENT)))() as opened:
            yield opened

    path = tmp_path / "blob"
    path.write_bytes(CONTENT)
    monkeypatch.setattr("proxy.registry.kernel_copy.os.sendfile", slow)
    monkeypatch.setattr("proxy.registry.kernel_copy.is_in_memory", lambda *_: False)
    async with front(stream) as served, asyncio.timeout(60):
        _, writer = await asyncio.open_connection("127.0.0.1", int(served.url.rstrip("/").rpartition(":")[2]))
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await begun.wait()
        (task,) = tasks
        assert task is not None
        task.cancel()
        for _ in range(20):
            await asyncio.sleep(0)
        go_on.set()
        await ended.wait()
        writer.close()

    assert were_open
    assert all(were_open)


async def test_a_file_that_is_gone_leaves_it_to_its_chunks(tmp_path: Path) -> None:
    async with front(from_file(tmp_path / "gone", 0, 5000)) as served, aiohttp.ClientSession() as session:
        assert await get(session, served.url) == CONTENT[:5000]
        assert await served.became() == [False]


async def test_t66_a_file_that_is_too_short_ends_the_clients_connection(tmp_path: Path) -> None:
    path = tmp_path / "blob"
    path.write_bytes(CONTENT[:-1])
    async with front(from_file(path, 0, len(CONTENT))) as served, aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientPayloadError):
            await get(session, served.url)
        assert isinstance((await served.became())[0], BrokenContentError)
