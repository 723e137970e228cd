"""The one way to the upstream's HTTP interface: bounded, authorised, never redirected without being asked.

Requests are made of a path and query built by the adapters from parsed names only (threat 24); nothing is
decompressed (threat 29) and nothing is cut by a total timeout (threat 69).
"""

import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from yarl import URL

from proxy.upstream.answers import failure, read_json, refuse_encoded, translated
from proxy.upstream.credentials import Authorizer, Login
from proxy.upstream.origin import Origin, PublicResolver, redirection
from proxy.upstream.port import UpstreamRefusedError

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MAX_HOPS = 3
_MAX_TOKEN_ANSWER = 64 * 1024


@dataclass(frozen=True, slots=True)
class RemoteOptions:
    """How to reach a remote registry. Times in seconds.

    `redirect_hosts` (`host` or `host:port`) may be redirected to though their addresses are not public;
    `token_origins` are trusted with the login besides the upstream's own origin.
    """

    origin: Origin
    login: Login = field(default_factory=Login)
    tls: ssl.SSLContext | None = None
    connect_timeout: float = 10.0
    read_timeout: float = 60.0
    max_connections: int = 256
    redirect_hosts: frozenset[str] = frozenset()
    token_origins: frozenset[Origin] = frozenset()


@dataclass(frozen=True, slots=True)
class Request:
    """One request to the upstream's own origin.

    `target` is its path and query, checked and encoded; `scope` what a token for it must allow; `doing` completes
    "the upstream refused when …".
    """

    method: str
    target: str
    scope: str
    doing: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | AsyncIterator[bytes] | None = None


class Connection:
    """Sends requests to one upstream. Made inside a running event loop; close it there."""

    def __init__(self, options: RemoteOptions) -> None:
        self.origin = options.origin
        self.read_timeout = options.read_timeout
        self._options = options
        self._session = _session(options, None)
        self._outside = _session(options, PublicResolver())
        self._authorizer = Authorizer(options.origin, options.login, options.token_origins, self._fetch_token)

    @asynccontextmanager
    async def send(self, request: Request) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send a request; gives the answer, of whatever status. Nothing is followed.

        Raises `UpstreamUnavailableError`, `UpstreamTimeoutError`, `BrokenContentError` for an encoded answer.
        """
        response = await self._authorised(request, self.origin.url(request.target))
        try:
            yield response
        finally:
            response.release()

    @asynccontextmanager
    async def fetch(self, request: Request) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send a GET or HEAD of a blob, and follow the redirects that `origin.redirection` allows."""
        response = await self._followed(request)
        try:
            yield response
        finally:
            response.release()

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
        response = await self._ask(self._session, request, url, _with(request.headers, authorization))
        if response.status != 401:
            return response
        try:
            challenges = response.headers.getall("WWW-Authenticate", [])
            again = self._authorizer.learn(challenges, request.scope, authorization)
            can_repeat = request.body is None or isinstance(request.body, bytes)
            if not (again and can_repeat):
                return response
            authorization = await self._authorizer.header(request.scope)
        except BaseException:
            response.release()
            raise
        response.release()
        return await self._ask(self._session, request, url, _with(request.headers, authorization))

    async def _ask(
        self, session: aiohttp.ClientSession, request: Request, url: URL, headers: dict[str, str]
    ) -> aiohttp.ClientResponse:
        with translated(request.doing):
            response = await session.request(
                request.method, url, headers=headers, data=request.body, allow_redirects=False
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


def _with(headers: Mapping[str, str], authorization: str | None) -> dict[str, str]:
    return {**headers, **({"Authorization": authorization} if authorization else {})}


def _session(options: RemoteOptions, resolver: PublicResolver | None) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            limit=options.max_connections,
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
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
    )
