"""The one way to the upstream's HTTP interface: bounded, authorised, never redirected without being asked.

    slot        as many requests at once as may be                 proxy.upstream.slots
    repeated    what may be repeated is, when it fails             proxy.upstream.retries
    followed    blobs only: redirects that are allowed             proxy.upstream.origin
    authorised  with credentials, once more when they are stale    proxy.upstream.credentials
    trial       not at all while the upstream is down              proxy.upstream.breaker

Requests are made of a path and query built by the adapters from parsed names only (threat 24); nothing is
decompressed (threat 29) and nothing is cut by a total timeout (threat 69).
"""

import asyncio
import random
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO
from typing import Any

import aiohttp
from yarl import URL

from proxy.upstream.answers import failure, read_json, refuse_encoded, retry_after, translated
from proxy.upstream.breaker import CircuitBreaker
from proxy.upstream.credentials import Authorizer
from proxy.upstream.login import Login, LoginSource
from proxy.upstream.origin import Origin, PublicResolver, redirection
from proxy.upstream.port import UpstreamRefusedError, UpstreamSuspendedError, UpstreamUnavailableError
from proxy.upstream.retries import PASSING, RetryPolicy
from proxy.upstream.slots import Slots

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MAX_HOPS = 3
_MAX_TOKEN_ANSWER = 64 * 1024
_READ_BUFFER_BYTES = 64 * 1024
"""How much of an answer may wait to be read, and about as much again. aiohttp allows four times that."""


@dataclass(frozen=True, slots=True)
class RemoteOptions:
    """How to reach a remote registry. Times in seconds.

    `redirect_hosts` (`host` or `host:port`) may be redirected to though their addresses are not public;
    clients may be redirected to `client_redirect_hosts`; `token_origins` are trusted with the login besides the
    upstream's own origin. After `breaker_failures` failures in a row (0: never) it is not asked for a while, at most
    `breaker_seconds`.
    """

    origin: Origin
    login: LoginSource = field(default_factory=Login)
    tls: ssl.SSLContext | None = None
    connect_timeout: float = 10.0
    read_timeout: float = 60.0
    max_connections: int = 256
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    breaker_failures: int = 0
    breaker_seconds: float = 30.0
    redirect_hosts: frozenset[str] = frozenset()
    client_redirect_hosts: frozenset[str] = frozenset()
    token_origins: frozenset[Origin] = frozenset()


@dataclass(frozen=True, slots=True)
class Request:
    """One request to the upstream's own origin.

    `target` is its path and query, checked and encoded; `scope` what a token for it must allow; `doing` completes
    "the upstream refused when …". `repeatable` may be sent twice without harm though its method does not say so.
    """

    method: str
    target: str
    scope: str
    doing: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | aiohttp.Payload | None = None
    repeatable: bool = False

    @property
    def is_stream(self) -> bool:
        """Whether the body can be sent only once, and takes as long as its source does."""
        return self.body is not None and not isinstance(self.body, bytes)

    @property
    def may_repeat(self) -> bool:
        """Whether it can be sent again after a failure. A DELETE cannot: the second answer is that nothing is there.

        aiohttp itself repeats an idempotent request once, when the connection closes before any answer: so end
        connections that were kept too long (RFC 9112, 9.3.1).
        """
        return self.repeatable or self.method in {"GET", "HEAD"}


class Connection:
    """Sends requests to one upstream. Made inside a running event loop; close it there."""

    def __init__(self, options: RemoteOptions) -> None:
        self.origin = options.origin
        self.read_timeout = options.read_timeout
        self._options = options
        self._session = _session(options, None)
        self._outside = _session(options, PublicResolver())
        self._authorizer = Authorizer(options.origin, options.login, options.token_origins, self._fetch_token)
        self._breaker = CircuitBreaker(
            str(options.origin), options.breaker_failures, options.breaker_seconds, time.monotonic
        )
        self._slots = Slots(options.max_connections, options.connect_timeout)

    @asynccontextmanager
    async def send(self, request: Request) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send a request; gives the answer, of whatever status. Nothing is followed.

        Raises `UpstreamUnavailableError`, `UpstreamTimeoutError`, `BrokenContentError` for an encoded answer.
        """
        async with self._slot(request):
            response = await self._repeated(request, lambda: self._authorised(request, self.origin.url(request.target)))
            try:
                yield response
            finally:
                response.release()

    @asynccontextmanager
    async def fetch(self, request: Request) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send a GET or HEAD of a blob, and follow the redirects that `origin.redirection` allows."""
        async with self._slot(request):
            response = await self._repeated(request, lambda: self._followed(request))
            try:
                yield response
            finally:
                response.release()

    @asynccontextmanager
    async def _slot(self, request: Request) -> AsyncIterator[None]:
        """Be one of the requests that may run at once. Raises `UpstreamSuspendedError` after waiting in vain."""
        async with AsyncExitStack() as stack:
            try:
                await stack.enter_async_context(self._slots.take())
            except TimeoutError as error:
                raise UpstreamSuspendedError(
                    f"{self._options.max_connections} requests to the upstream run already, or as many of one token as"
                    f" may, when {request.doing}; try again later, or raise its max_connections",
                    retry_after=1,
                ) from error
            yield

    async def _repeated(
        self, request: Request, send: Callable[[], Awaitable[aiohttp.ClientResponse]]
    ) -> aiohttp.ClientResponse:
        """What `send` gives; where it fails for a reason that may pass, what it gives another time."""
        began, failures = time.monotonic(), 0
        while True:
            failures += 1
            try:
                response = await send()
            except UpstreamSuspendedError:
                raise
            except UpstreamUnavailableError:
                pause = self._pause(request, failures, began, 0)
                if pause is None:
                    raise
            else:
                passes = response.status in PASSING
                pause = self._pause(request, failures, began, retry_after(response)) if passes else None
                if pause is None:
                    return response
                response.release()
            await asyncio.sleep(pause)

    def _pause(self, request: Request, failures: int, began: float, asked_for: float) -> float | None:
        if not request.may_repeat:
            return None
        draw = random.random()  # noqa: S311 - spreads load, guards nothing
        return self._options.retry.pause(failures, time.monotonic() - began, asked_for, draw)

    async def locate(self, request: Request) -> URL | None:
        """Where a GET of a blob is redirected to, if clients may be sent there; nothing is asked if they never may.

        Raises as `fetch` does where it would not follow.
        """
        allowed = self._options.client_redirect_hosts
        if not allowed:
            return None
        url = self.origin.url(request.target)
        async with self._slot(request):
            for _ in range(_MAX_HOPS):
                response = await self._repeated(request, partial(self._authorised, request, url))
                location = response.headers.get("Location", "")
                response.release()
                if response.status not in _REDIRECTS:
                    return None
                step = redirection(self.origin, self._options.redirect_hosts | allowed, str(url), location)
                url = step.url
                if not step.is_home:
                    return url if Origin.of(str(url)).is_among(allowed) else None
        return None

    async def _followed(self, request: Request) -> aiohttp.ClientResponse:
        url = self.origin.url(request.target)
        response = await self._authorised(request, url)
        for _ in range(_MAX_HOPS):
            if response.status not in _REDIRECTS:
                return response
            location = response.headers.get("Location", "")
            response.release()
            step = redirection(self.origin, self._options.redirect_hosts, str(url), location)
            url = step.url
            if step.is_home:
                response = await self._authorised(request, url)
            else:
                session = self._outside if step.guarded else self._session
                response = await self._ask(session, request, url, dict(request.headers))
        if response.status not in _REDIRECTS:
            return response
        response.release()
        raise UpstreamRefusedError(f"the upstream redirects more than {_MAX_HOPS} times when {request.doing}")

    async def _authorised(self, request: Request, url: URL) -> aiohttp.ClientResponse:
        """Send with the credentials that are known to be wanted; once more with those a 401 asks for."""
        authorization = await self._authorizer.header(request.scope)
        response = await self._ask_home(request, url, authorization)
        if response.status != 401:
            return response
        challenges = response.headers.getall("WWW-Authenticate", [])
        try:
            again = await self._authorizer.learn(challenges, request.scope, authorization)
        except BaseException:
            response.release()
            raise
        if not again or request.is_stream:
            return response
        response.release()
        authorization = await self._authorizer.header(request.scope)
        return await self._ask_home(request, url, authorization)

    async def _ask_home(self, request: Request, url: URL, authorization: str | None) -> aiohttp.ClientResponse:
        """Ask the upstream itself, unless it is down."""
        with self._breaker.trial(is_stream=request.is_stream) as trial:
            response = await self._ask(self._session, request, url, _with(request.headers, authorization))
            trial.status = response.status
        return response

    async def _ask(
        self, session: aiohttp.ClientSession, request: Request, url: URL, headers: dict[str, str]
    ) -> aiohttp.ClientResponse:
        # aiohttp's read timeout begins when the request is sent; an upstream that does not take it must not stall us.
        patience = None if request.is_stream else self._options.connect_timeout + 2 * self._options.read_timeout
        with translated(request.doing):
            async with asyncio.timeout(patience):
                response = await session.request(
                    request.method, url, headers=headers, data=_payload(request.body), allow_redirects=False
                )
        try:
            refuse_encoded(response, request.doing)
        except BaseException:
            response.close()
            raise
        return response

    async def _fetch_token(self, url: URL, headers: dict[str, str]) -> dict[str, Any]:
        request = Request("GET", url.raw_path_qs, "", "asking for a token")
        response = await self._ask(self._session, request, url, headers)
        try:
            if response.status != 200:
                raise await failure(response, request.doing)
            return await read_json(response, _MAX_TOKEN_ANSWER, request.doing)
        finally:
            response.release()

    async def close(self) -> None:
        """Close every connection."""
        await self._session.close()
        await self._outside.close()


def _payload(body: bytes | aiohttp.Payload | None) -> BytesIO | bytes | aiohttp.Payload | None:
    """Bytes as a file, which is sent piece by piece instead of all at once."""
    return BytesIO(body) if isinstance(body, bytes) and body else body


def _with(headers: Mapping[str, str], authorization: str | None) -> dict[str, str]:
    return {**headers, **({"Authorization": authorization} if authorization else {})}


def _session(options: RemoteOptions, resolver: PublicResolver | None) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            limit=0,  # `Connection` counts what runs; waiting here would look like a slow upstream
            ssl=options.tls if options.tls is not None else True,
            resolver=resolver,
        ),
        timeout=aiohttp.ClientTimeout(
            total=None,
            connect=options.connect_timeout,
            sock_connect=options.connect_timeout,
            sock_read=options.read_timeout,
        ),
        headers={"Accept-Encoding": "identity", "User-Agent": "imagegate"},
        read_bufsize=_READ_BUFFER_BYTES,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
    )
