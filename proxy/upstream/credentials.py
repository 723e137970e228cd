"""How the gate shows who it is to the upstream: not at all, by Basic, or by Bearer tokens, as it is asked to.

The scheme is learnt from the first 401 (distribution specification, "Token Authentication"). Tokens are kept per
scope until shortly before they expire, and each is asked for once, by whoever needs it first. The user name and
password go to the upstream's own origin or to a token service on a configured origin, never anywhere else (threat 85).
A login that is a token itself goes to the upstream's own origin only, unasked.
"""

import asyncio
import re
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any
from urllib.parse import urlencode, urlsplit
from weakref import WeakValueDictionary

from yarl import URL

from proxy.upstream.login import Login, LoginSource, is_token
from proxy.upstream.origin import Origin
from proxy.upstream.port import BrokenContentError, UpstreamRefusedError

_PART = re.compile(
    r"""
    (?P<name>[A-Za-z][\w-]*) \s*=\s* (?: "(?P<quoted>(?:[^"\\]|\\.)*)" | (?P<plain>[^\s",]+) )
    | (?P<scheme>[A-Za-z][\w-]*) (?![\w-]|\s*=)
""",
    re.VERBOSE,
)
_PULL = re.compile(r"repository:[a-z0-9._/-]{1,255}:pull")
_MAX_TOKENS = 1000
_MAX_CHALLENGE = 8192
_DEFAULT_LIFETIME = 60
"""Seconds a token lives that does not say so (distribution specification, "Token Response Fields")."""
_MARGIN = 10
"""Seconds before its expiry at which a token is no longer used."""

FetchToken = Callable[[URL, dict[str, str]], Awaitable[dict[str, Any]]]
"""Gets the token service's answer, a JSON object, from an address with these headers."""


class _Basic(Enum):
    """The scheme that needs nothing but the login."""

    ASKED_FOR = "basic"


@dataclass(frozen=True, slots=True)
class _TokenService:
    """Where tokens are. `scope` is for requests that need none, such as /v2/: some give no token without one."""

    realm: str
    service: str
    scope: str


@dataclass(frozen=True, slots=True)
class _Token:
    header: str
    usable_until: float


class Authorizer:
    """Gives the Authorization header for a scope. One for each upstream; safe for concurrent use in one loop."""

    def __init__(
        self,
        origin: Origin,
        login: LoginSource,
        token_origins: frozenset[Origin],
        fetch: FetchToken,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._origin = origin
        self._login = login
        self._token_origins = token_origins | {origin}
        self._fetch = fetch
        self._clock = clock
        self._scheme: _TokenService | _Basic | None = None
        self._tokens: OrderedDict[str, _Token] = OrderedDict()
        self._asking: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def header(self, scope: str) -> str | None:
        """The Authorization header for `scope`, None where none is asked for, as far as is known."""
        login = await self._login.login()
        if login.bearer is not None or self._scheme is None:
            return login.bearer
        if isinstance(self._scheme, _Basic):
            return login.basic
        token = self._usable(scope)
        if token is None:
            async with self._asking.setdefault(scope, asyncio.Lock()):
                token = self._usable(scope)
                if token is None:
                    token = self._tokens[scope] = await self._token(self._scheme, scope, login)
                    if len(self._tokens) > _MAX_TOKENS:
                        self._tokens.popitem(last=False)
        return token.header

    def _usable(self, scope: str) -> _Token | None:
        token = self._tokens.get(scope)
        return token if token is not None and token.usable_until > self._clock() else None

    async def learn(self, challenges: Iterable[str], scope: str, refused: str | None) -> bool:
        """Take in the challenges of a 401 to a request that carried `refused`; True if asking again may help.

        Raises `UpstreamRefusedError` if it wants tokens from a service that is not trusted.
        """
        offered = parse_challenges(challenges)
        login = await self._login.login()
        if login.bearer is not None:
            return login.bearer != refused or await self._login.login(login) != login
        if "bearer" in offered:
            asked = offered["bearer"]
            realm = self._trusted(asked.get("realm", ""))
            self._scheme = _TokenService(realm, asked.get("service", ""), _harmless(asked.get("scope", "")))
            stale = self._tokens.get(scope)
            if stale is not None and stale.header == refused:
                del self._tokens[scope]
            return True
        if "basic" in offered:
            self._scheme = _Basic.ASKED_FOR
            if login.basic == refused:
                login = await self._login.login(login)
            return login.basic is not None and login.basic != refused
        return False

    async def _token(self, service: _TokenService, scope: str, login: Login) -> _Token:
        """A new token; where the service refuses the login, with a newer login if there is one."""
        try:
            return await self._ask(service, scope, login)
        except UpstreamRefusedError as error:
            newer = await self._login.login(login) if error.status == 401 else login
            if newer == login:
                raise
            return await self._ask(service, scope, newer)

    def _trusted(self, realm: str) -> str:
        try:
            origin = Origin.of(realm)
        except ValueError as error:
            raise UpstreamRefusedError(f"the upstream {self._origin} names a token service: {error}") from error
        if origin not in self._token_origins:
            raise UpstreamRefusedError(
                f"the upstream {self._origin} asks for tokens of {origin}, which is another origin;"
                " if that is its token service, add it to its token_origins"
            )
        return realm

    async def _ask(self, service: _TokenService, scope: str, login: Login) -> _Token:
        parts = (scope or service.scope).split()
        parameters = [("service", service.service), *(("scope", part) for part in parts)]
        realm = urlsplit(service.realm)
        query = "&".join(filter(None, (realm.query, urlencode(parameters))))
        basic = login.basic
        asked_at = self._clock()
        answer = await self._fetch(
            Origin.of(service.realm).url(f"{realm.path or '/'}?{query}"),
            {"Authorization": basic} if basic else {},
        )
        token = answer.get("token") or answer.get("access_token")
        if not is_token(token):
            raise BrokenContentError(f"the token service of the upstream {self._origin} gave no token")
        lifetime = answer.get("expires_in", _DEFAULT_LIFETIME)
        if not isinstance(lifetime, int) or isinstance(lifetime, bool) or not 0 <= lifetime < 2**31:
            lifetime = _DEFAULT_LIFETIME
        return _Token(f"Bearer {token}", asked_at + max(lifetime - _MARGIN, lifetime / 2))


def _harmless(scope: str) -> str:
    """The scope that an upstream asks for, if it only allows to read one repository: it shall not choose more."""
    return scope if _PULL.fullmatch(scope) else ""


def parse_challenges(headers: Iterable[str]) -> dict[str, dict[str, str]]:
    """WWW-Authenticate headers (RFC 9110, 11.6.1) as parameters by scheme, in lower case; the first of each counts."""
    found: dict[str, dict[str, str]] = {}
    for header in headers:
        parameters: dict[str, str] = {}
        for part in _PART.finditer(header[:_MAX_CHALLENGE]):
            if part["scheme"] is not None:
                parameters = {}
                found.setdefault(part["scheme"].lower(), parameters)
            elif part["quoted"] is not None:
                parameters[part["name"].lower()] = re.sub(r"\\(.)", r"\1", part["quoted"])
            else:
                parameters[part["name"].lower()] = part["plain"]
    return found
