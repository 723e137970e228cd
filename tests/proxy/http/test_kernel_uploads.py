"""Large uploads that the kernel copies: the upstream gets the same bytes, and the connection is what it was before."""

import asyncio
import io
import random
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from proxy import splicing
from proxy.identity.principal import Role
from proxy.upstream import upload_body
from proxy.upstream.connection import RemoteOptions
from proxy.upstream.origin import Origin
from proxy.upstream.port import SocketBody, TakeBody, Upload
from proxy.upstream.remote import RemoteUpstream
from scanning.oci.digest import Digest
from scanning.oci.names import Repository
from tests.proxy.conftest import StartFace
from tests.proxy.face import Face, basic
from tests.simulators import MemoryUpstream

BOTH_EVENT_LOOPS = True

CONTENT = random.Random(27).randbytes(5_000_000)  # noqa: S311  # a test that can be repeated
DIGEST = Digest.of(CONTENT)
UPLOADS = "/v2/team/app/blobs/uploads/"
MUCH = 64 << 20
"""More than all sockets on the way hold."""


@dataclass
class Registry:
    """A registry that takes uploads, as a test tells it to."""

    url: str = ""
    uploads: list[bytearray] = field(default_factory=list)
    may_read: asyncio.Event = field(default_factory=asyncio.Event)
    began: asyncio.Event = field(default_factory=asyncio.Event)
    refuses: bool = False
    whole_bodies: int = 0
    peers: set[object] = field(default_factory=set)

    async def begin(self, _request: web.Request) -> web.Response:
        """Open an upload."""
        self.uploads.append(bytearray())
        return self._stands(202, len(self.uploads) - 1)

    async def append(self, request: web.Request) -> web.StreamResponse:
        """Take a chunk."""
        number = int(request.match_info["number"])
        assert request.transport is not None
        self.peers.add(request.transport.get_extra_info("peername"))
        self.began.set()
        if self.refuses:
            return web.Response(status=403, headers={"Connection": "close"})
        await self.may_read.wait()
        async for piece in request.content.iter_any():
            self.uploads[number] += piece
        self.whole_bodies += 1
        return self._stands(202, number)

    async def status(self, request: web.Request) -> web.Response:
        """Where an upload stands."""
        return self._stands(204, int(request.match_info["number"]))

    async def finish(self, request: web.Request) -> web.Response:
        """Publish it."""
        del request
        return web.Response(status=201)

    def _stands(self, status: int, number: int) -> web.Response:
        last = max(len(self.uploads[number]) - 1, 0)
        return web.Response(
            status=status, headers={"Location": f"/v2/team/app/blobs/uploads/{number}", "Range": f"0-{last}"}
        )


class Behind(MemoryUpstream):
    """The simulated upstream, but its uploads go to a registry over a socket."""

    remote: RemoteUpstream

    async def begin_upload(self, repository: Repository) -> Upload:
        return await self.remote.begin_upload(repository)

    async def append(
        self,
        repository: Repository,
        upload: Upload,
        chunks: AsyncIterator[bytes],
        *,
        length: int | None = None,
        take: TakeBody | None = None,
    ) -> Upload:
        return await self.remote.append(repository, upload, chunks, length=length, take=take)

    async def upload_status(self, repository: Repository, upload: Upload) -> Upload:
        return await self.remote.upload_status(repository, upload)

    async def finish_upload(self, repository: Repository, upload: Upload, digest: Digest) -> None:
        await self.remote.finish_upload(repository, upload, digest)


@pytest.fixture
async def registry() -> AsyncIterator[Registry]:
    """A registry that reads what it gets."""
    made = Registry()
    made.may_read.set()
    application = web.Application()
    application.router.add_post(UPLOADS, made.begin)
    application.router.add_patch(UPLOADS + "{number}", made.append)
    application.router.add_get(UPLOADS + "{number}", made.status)
    application.router.add_put(UPLOADS + "{number}", made.finish)
    async with TestServer(application) as server:
        made.url = str(server.make_url("")).rstrip("/")
        yield made


@dataclass
class Client:
    """One connection to a face, for requests written by hand."""

    face: Face
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def head(self, method: str, target: str, length: int, more: str = "") -> bytes:
        """The head of a request with a body."""
        return (
            f"{method} {target} HTTP/1.1\r\nHost: gate\r\nAuthorization: {basic(self.face.token)}\r\n"
            f"Content-Type: application/octet-stream\r\nContent-Length: {length}\r\n{more}\r\n"
        ).encode()

    async def answer(self) -> tuple[int, dict[str, str]]:
        """The next answer: its status and headers."""
        async with asyncio.timeout(60):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = dict(line.split(": ", 1) for line in head[1:-2])
            await self.reader.readexactly(int(headers.get("Content-Length", "0")))
        return int(head[0].split()[1]), headers

    async def begin(self) -> str:
        """Open an upload; gives its address."""
        self.writer.write(self.head("POST", UPLOADS, 0))
        status, headers = await self.answer()
        assert status == 202
        return headers["Location"]


@dataclass
class Setting:
    """A face before a registry, what the kernel copied, and the way to end the face."""

    face: Face
    copied: list[object]
    ending: AsyncExitStack

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Client]:
        """A connection."""
        reader, writer = await asyncio.open_connection(self.face.host, self.face.port)
        try:
            yield Client(self.face, reader, writer)
        finally:
            writer.close()


Start = Callable[..., Awaitable[Setting]]


@pytest.fixture
async def start(registry: Registry, start_face: StartFace, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Start]:
    """Start a face before the registry. Nobody observes what is uploaded; `patience` is that with the registry."""
    copied: list[object] = []

    async def splice(body: SocketBody, *arguments: Any, **options: Any) -> Exception | None:
        copied.append(body)
        return await splicing.splice(body, *arguments, **options)

    monkeypatch.setattr(upload_body, "splice", splice)
    async with AsyncExitStack() as stack:

        async def started(patience: float = 60, **overrides: object) -> Setting:
            behind = Behind()
            behind.remote = RemoteUpstream(RemoteOptions(Origin.parse(registry.url), read_timeout=patience))
            stack.push_async_callback(behind.remote.close)
            ending = await stack.enter_async_context(AsyncExitStack())
            face = await ending.enter_async_context(start_face(behind, **overrides))
            face.gate.is_busy = True
            _, face.token = await face.new_token(Role.DEVELOPER, "team/**")
            return Setting(face, copied, ending)

        yield started


async def ended(setting: Setting, registry: Registry) -> None:
    """Wait until the registry has read a body to its end."""
    async with asyncio.timeout(60):
        while not registry.whole_bodies:
            await setting.face.call("GET", "/healthz")


async def test_uploads_come_whole_and_both_connections_go_on(start: Start, registry: Registry) -> None:
    setting = await start()
    async with setting.client() as client:
        for number in range(3):
            location = await client.begin()
            client.writer.write(client.head("PATCH", location, len(CONTENT)) + CONTENT[:17])
            for at in range(17, len(CONTENT), 700_001):
                await client.writer.drain()
                await asyncio.sleep(0)
                client.writer.write(CONTENT[at : at + 700_001])
            status, headers = await client.answer()
            assert (status, headers["Range"]) == (202, f"0-{len(CONTENT) - 1}")
            client.writer.write(client.head("PUT", f"{headers['Location']}?digest={DIGEST}", 0))
            assert (await client.answer())[0] == 201
            assert Digest.of(bytes(registry.uploads[number])) == DIGEST
    assert len(setting.copied) == 3
    assert len(registry.peers) == 1
    assert setting.face.gate.uploaded_bytes == 3 * len(CONTENT)


async def test_eight_at_a_time_do_not_mix(start: Start, registry: Registry) -> None:
    setting = await start()
    contents = [bytes([number]) + CONTENT for number in range(8)]

    async def upload(content: bytes) -> str:
        async with setting.client() as client:
            location = await client.begin()
            client.writer.write(client.head("PUT", f"{location}?digest={Digest.of(content)}", len(content)) + content)
            assert (await client.answer())[0] == 201
        return str(Digest.of(content))

    digests = await asyncio.gather(*map(upload, contents))
    assert {str(Digest.of(bytes(stored))) for stored in registry.uploads} == set(digests)
    assert len(setting.copied) == 8


async def test_what_follows_a_body_at_once_is_the_next_request(start: Start, registry: Registry) -> None:
    setting = await start()
    async with setting.client() as client:
        head = client.head("PATCH", await client.begin(), len(CONTENT))
        client.writer.write(head + CONTENT + client.head("POST", UPLOADS, 0) + client.head("GET", "/v2/", 0))
        assert [(await client.answer())[0] for _ in range(3)] == [202, 202, 200]
        client.writer.write(b"GET /" + b"x" * 10_000)  # what follows is still read within bounds
        assert (await client.answer())[0] == 400
    assert [bytes(stored) for stored in registry.uploads] == [CONTENT, b""]
    assert len(setting.copied) == 1


async def test_a_client_that_waits_to_be_told_to_go_on(start: Start, registry: Registry) -> None:
    setting = await start()
    async with setting.client() as client:
        client.writer.write(client.head("PATCH", await client.begin(), len(CONTENT), "Expect: 100-continue\r\n"))
        assert (await client.answer())[0] == 100
        client.writer.write(CONTENT)
        assert (await client.answer())[0] == 202
    assert bytes(registry.uploads[0]) == CONTENT
    assert len(setting.copied) == 1


async def test_small_ones_and_those_without_a_length_are_read_as_ever(start: Start, registry: Registry) -> None:
    setting = await start()
    async with setting.client() as client:
        for body in (CONTENT[:1000], b"%x\r\n%b\r\n0\r\n\r\n" % (len(CONTENT), CONTENT)):
            head = client.head("PATCH", await client.begin(), len(body))
            if len(body) > 1000:
                head = head.replace(f"Content-Length: {len(body)}".encode(), b"Transfer-Encoding: chunked")
            client.writer.write(head + body)
            assert (await client.answer())[0] == 202
    assert [bytes(stored) for stored in registry.uploads] == [CONTENT[:1000], CONTENT]
    assert setting.copied == []


async def test_one_that_is_observed_passes_the_observer(start: Start, registry: Registry) -> None:
    setting = await start()
    setting.face.gate.is_busy = False
    async with setting.client() as client:
        location = await client.begin()
        client.writer.write(client.head("PUT", f"{location}?digest={DIGEST}", len(CONTENT)) + CONTENT)
        assert (await client.answer())[0] == 201
    (observer,) = setting.face.gate.observers
    assert bytes(observer.seen) == bytes(registry.uploads[0]) == CONTENT
    assert setting.copied == []


@pytest.mark.parametrize("way", ["closes", "aborts"])
async def test_what_came_of_a_client_that_goes_away_stays(start: Start, registry: Registry, way: str) -> None:
    setting = await start()
    async with setting.client() as client:
        location = await client.begin()
        client.writer.write(client.head("PATCH", location, len(CONTENT)) + CONTENT[:3_000_000])
        await client.writer.drain()
        await registry.began.wait()
        if way == "closes":
            client.writer.close()
        else:
            client.writer.transport.abort()
        await ended(setting, registry)  # in good order: the registry says where the upload stands
    assert len(setting.copied) == 1
    assert CONTENT.startswith(registry.uploads[0])
    assert way == "aborts" or len(registry.uploads[0]) == 3_000_000
    stands = await setting.face.call("GET", location)
    assert stands.headers["Range"] == f"0-{len(registry.uploads[0]) - 1}"
    rest = CONTENT[len(registry.uploads[0]) :]
    done = await setting.face.call("PUT", f"{stands.headers['Location']}?digest={DIGEST}", body=io.BytesIO(rest))
    assert (done.status, Digest.of(bytes(registry.uploads[0]))) == (201, DIGEST)


async def test_a_silent_client_is_given_up_and_what_came_stays(start: Start, registry: Registry) -> None:
    setting = await start(network={"read_timeout_seconds": 0.3})
    async with setting.client() as client:
        location = await client.begin()
        client.writer.write(client.head("PATCH", location, len(CONTENT)) + CONTENT[:3_000_000])
        assert (await client.answer())[0] == 408
    assert len(setting.copied) == 1
    assert bytes(registry.uploads[0]) == CONTENT[:3_000_000]
    assert (await setting.face.call("GET", location)).headers["Range"] == "0-2999999"


@pytest.mark.parametrize("size", [len(CONTENT), MUCH])
async def test_a_body_that_the_upstream_refuses_is_skipped(start: Start, registry: Registry, size: int) -> None:
    """The next request is whole: nobody who still copied the body has a part of it."""
    setting = await start()
    registry.refuses = True
    async with setting.client() as client:
        location = await client.begin()
        client.writer.write(client.head("PATCH", location, size) + bytes(size))
        assert (await client.answer())[0] == 502
        await client.begin()
    assert len(setting.copied) == 1


async def test_an_upstream_that_takes_nothing_is_given_up(start: Start, registry: Registry) -> None:
    setting = await start(patience=0.5)
    registry.may_read.clear()
    async with setting.client() as client:
        client.writer.write(client.head("PATCH", await client.begin(), MUCH) + bytes(MUCH))
        assert (await client.answer())[0] == 504
        registry.may_read.set()
        await client.begin()
    assert len(setting.copied) == 1


async def test_a_slow_upstream_slows_the_client_down_and_draining_waits_for_both(
    start: Start, registry: Registry
) -> None:
    setting = await start()
    registry.may_read.clear()
    content = CONTENT + bytes(MUCH)
    async with setting.client() as client:
        client.writer.write(client.head("PATCH", await client.begin(), len(content)) + content)
        await registry.began.wait()
        drained = asyncio.create_task(client.writer.drain())
        ending = asyncio.create_task(setting.ending.aclose())
        await setting.face.refuses_connections()
        assert not drained.done()
        registry.may_read.set()
        assert (await client.answer())[0] == 202
        await asyncio.gather(drained, ending)
    assert Digest.of(bytes(registry.uploads[0])) == Digest.of(content)
    assert len(setting.copied) == 1


async def test_urgent_data_does_not_stop_it(start: Start, registry: Registry) -> None:
    """splice(2) does not go past a byte that was sent as urgent, though the socket is readable."""
    setting = await start()
    async with setting.client() as client:
        head = client.head("PATCH", await client.begin(), len(CONTENT), "Connection: close\r\n")

    def send() -> bytes:
        with socket.create_connection((setting.face.host, setting.face.port), timeout=60) as connection:
            connection.sendall(head + CONTENT[:2_000_000])
            connection.send(b"!", socket.MSG_OOB)
            connection.sendall(CONTENT[2_000_000:])
            return connection.recv(100)

    assert (await asyncio.to_thread(send)).startswith(b"HTTP/1.1 202 ")
    assert Digest.of(bytes(registry.uploads[0])) == DIGEST
    assert len(setting.copied) == 1
