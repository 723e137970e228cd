"""A registry that does as it is told: what a broken or hostile upstream could answer."""

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

from proxy.upstream.connection import RemoteOptions
from proxy.upstream.login import Login, LoginSource
from proxy.upstream.origin import Origin
from proxy.upstream.remote import RemoteUpstream

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as it came over the wire."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Simulator:
    """Answers by method and path, and 404 otherwise. `seen` holds the requests in order."""

    url: str = ""
    answers: dict[tuple[str, str], Answer] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)

    def on(
        self, method: str, path: str, status: int = 200, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> None:
        """Answer always the same."""

        async def answer(_request: web.Request) -> web.StreamResponse:
            return web.Response(status=status, body=body, headers=headers)

        self.answers[method, path] = answer

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Note the request, then answer it."""
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.seen.append(Seen(request.method, request.raw_path, headers, await request.read()))
        answer = self.answers.get((request.method, request.raw_path.partition("?")[0]))
        return await answer(request) if answer else web.Response(status=404)


def cut_short(announced: int, sent: bytes) -> Answer:
    """An answer that ends before the length it announced."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(announced)})
        await response.prepare(request)
        await response.write(sent)
        assert request.transport is not None
        request.transport.close()
        return response

    return answer


@asynccontextmanager
async def simulated(tls: ssl.SSLContext | None = None) -> AsyncIterator[Simulator]:
    """A simulator that listens on the loopback interface, with `tls` if that is given."""
    simulator = Simulator()
    application = web.Application(client_max_size=64 << 20)
    application.router.add_route("*", "/{path:.*}", simulator.handle)
    server = TestServer(application, host="127.0.0.1", scheme="https" if tls else "http")
    await server.start_server(ssl=tls)
    simulator.url = f"{server.scheme}://127.0.0.1:{server.port}"
    try:
        yield simulator
    finally:
        await server.close()


@asynccontextmanager
async def gate_before(
    url: str,
    *,
    login: LoginSource = Login(),  # noqa: B008 - frozen
    redirect_hosts: tuple[str, ...] = (),
    client_redirect_hosts: tuple[str, ...] = (),
    token_origins: tuple[str, ...] = (),
    connect_timeout: float = 10.0,
    read_timeout: float = 120.0,
    page: int = 1000,
    **options: Any,
) -> AsyncIterator[RemoteUpstream]:
    """The remote adapter before `url`; it asks once, unless `options` say otherwise."""
    made = RemoteOptions(
        Origin.parse(url),
        login,
        connect_timeout=connect_timeout,
        read_timeout=read_timeout,
        redirect_hosts=frozenset(redirect_hosts),
        client_redirect_hosts=frozenset(client_redirect_hosts),
        token_origins=frozenset(Origin.parse(origin) for origin in token_origins),
        **options,
    )
    upstream = RemoteUpstream(made, page)
    try:
        yield upstream
    finally:
        await upstream.close()
