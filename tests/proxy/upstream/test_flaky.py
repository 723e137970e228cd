"""A real registry behind a relay that fails every request once that may be repeated."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from yarl import URL

from proxy.upstream.port import UpstreamUnavailableError
from proxy.upstream.retries import RetryPolicy
from scanning.oci.digest import Digest
from scanning.oci.media_types import OCI_MANIFEST
from scanning.oci.names import Tag
from tests.proxy.upstream.oci_content import push_blob, push_image
from tests.proxy.upstream.simulator import gate_before
from tests.registries import RealRegistry, fresh_repository

pytestmark = pytest.mark.real
PATIENT = RetryPolicy(more=3, seconds=250, first_pause=0.01)


class Relay:
    """Passes requests on to `behind`; each that is seen for the first time fails, by turns in one of three ways."""

    def __init__(self, behind: str, session: aiohttp.ClientSession) -> None:
        self._behind = behind
        self._session = session
        self._seen: set[tuple[str, str]] = set()
        self.failed = 0

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        key = request.method, request.raw_path
        if key not in self._seen and _may_be_repeated(request):
            self._seen.add(key)
            self.failed += 1
            return await self._fail(request, body)
        return await self._pass_on(request, body)

    async def _fail(self, request: web.Request, body: bytes) -> web.StreamResponse:
        assert request.transport is not None
        match self.failed % 3:
            case 0:
                request.transport.close()
            case 2:  # it was done, and the answer got lost
                await self._pass_on(request, body)
                request.transport.close()
        return web.Response(status=503, headers={"Retry-After": "0"})

    async def _pass_on(self, request: web.Request, body: bytes) -> web.StreamResponse:
        headers = {name: value for name, value in request.headers.items() if name not in _HOP}
        url = URL(self._behind + request.raw_path, encoded=True)
        async with self._session.request(
            request.method, url, headers=headers, data=body, allow_redirects=False
        ) as answer:
            kept = {name: value for name, value in answer.headers.items() if name not in _HOP}
            content = await answer.read()
            if request.method != "HEAD":
                return web.Response(status=answer.status, headers=kept, body=content)
            length = answer.headers["Content-Length"]  # aiohttp would say 0, having no body to count
            return web.Response(status=answer.status, headers={**kept, "Content-Length": length})


_HOP = {"Transfer-Encoding", "Connection", "Content-Length"}


def _may_be_repeated(request: web.Request) -> bool:
    if request.method == "PUT":
        return "/manifests/" in request.path
    return request.method in {"GET", "HEAD", "POST"}


@asynccontextmanager
async def flaky(behind: str) -> AsyncIterator[tuple[str, Relay]]:
    """The relay's address, and the relay."""
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        relay = Relay(behind, session)
        application = web.Application(client_max_size=64 << 20)
        application.router.add_route("*", "/{path:.*}", relay.handle)
        server = TestServer(application, host="127.0.0.1")
        await server.start_server()
        try:
            yield f"http://127.0.0.1:{server.port}", relay
        finally:
            await server.close()


async def test_an_image_is_pushed_and_pulled_though_every_request_fails_once(docker_registry: RealRegistry) -> None:
    repository, other = fresh_repository(), fresh_repository()
    async with flaky(docker_registry.url) as (url, relay), gate_before(url, retry=PATIENT) as upstream:
        await upstream.check()
        body = await push_image(upstream, repository)
        await upstream.put_manifest(repository, Tag("v1"), OCI_MANIFEST, body)
        found = await upstream.get_manifest(repository, Tag("v1"))
        assert found is not None
        assert found.body == body
        digest = await push_blob(upstream, repository, b"shared")
        assert await upstream.mount_blob(other, digest, repository) is True
        async with upstream.open_blob(other, digest) as stream:
            assert stream is not None
            assert b"".join([chunk async for chunk in stream.chunks]) == b"shared"
        assert await upstream.tags(repository) == (Tag("v1"),)
        assert repository in await upstream.repositories()
        assert await upstream.delete_manifest(repository, Digest.of(body)) is True
    assert relay.failed >= 8


async def test_without_patience_the_first_failure_is_told(docker_registry: RealRegistry) -> None:
    async with flaky(docker_registry.url) as (url, _), gate_before(url) as upstream:
        with pytest.raises(UpstreamUnavailableError):
            await upstream.check()
