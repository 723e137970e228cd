"""How the gate shows who it is to the upstream: not at all, by Basic, or by Bearer tokens, as it is asked to.

The scheme is learnt from the first 401 (distribution specification, "Token Authentication"). Tokens are kept per
scope until shortly before they expire. The user name and password go to the upstream's own origin or to a token
service on a configured origin, never anywhere else (threat 85).
"""

import re
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

import aiohttp
from yarl import URL

from proxy.upstream.origin import Origin
from proxy.upstream.port import BrokenContentError, UpstreamRefusedError

_PART = re.compile(
    r"""
    (?P<name>[A-Za-z][\w-]*) \s*=\s* (?: "(?P<quoted>(?:[^"\\]|\\.)*)" | (?P<plain>[^\s",]+) )
    | (?P<scheme>[A-Za-z][\w-]*) (?![\w-]|\s*=)
""",
    re.VERBOSE,
)
_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]{1,16384}")
_MAX_TOKENS = 1000
_MAX_CHALLENGE = 8192
_DEFAULT_LIFETIME = 60
"""Seconds a token lives that does not say so (distribution specification, "Token Response Fields")."""
_MARGIN = 10
"""Seconds before its expiry at which a token is no longer used."""

FetchToken = Callable[[URL, dict[str, str]], Awaitable[dict[str, Any]]]
"""Gets the token service's answer, a JSON object, from an address with these headers."""


@dataclass(frozen=True, slots=True)
class Login:
    """The gate's own account at the upstream; empty for none."""

    username: str = ""
    password: str = ""

    def basic(self) -> str | None:
        """The Basic Authorization header, None without an account."""
        if not self.username:
            return None
        return aiohttp.encode_basic_auth(self.username, self.password, encoding="utf-8")

    def __repr__(self) -> str:
        return f"Login({self.username!r}, ***)"


@dataclass(frozen=True, slots=True)
class _TokenService:
    realm: str
    service: str


@dataclass(frozen=True, slots=True)
class _Token:
    header: str
    usable_until: float


class Authorizer:
    """Gives the Authorization header for a scope. One for each upstream; safe for concurrent use in one loop."""

    def __init__(
        self,
        origin: Origin,
        login: Login,
        token_origins: frozenset[Origin],
        fetch: FetchToken,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._origin = origin
        self._login = login
        self._token_origins = token_origins | {origin}
        self._fetch = fetch
        self._clock = clock
        self._scheme: _TokenService | str | None = None
        self._tokens: OrderedDict[str, _Token] = OrderedDict()

    async def header(self, scope: str) -> str | None:
        """The Authorization header for `scope`, None where none is asked for, as far as is known."""
        if self._scheme is None or isinstance(self._scheme, str):
            return self._scheme
        token = self._tokens.get(scope)
        if token is None or token.usable_until <= self._clock():
            token = await self._ask(self._scheme, scope)
            self._tokens[scope] = token
            if len(self._tokens) > _MAX_TOKENS:
                self._tokens.popitem(last=False)
        return token.header

    def learn(self, challenges: Iterable[str], scope: str, refused: str | None) -> bool:
        """Take in the challenges of a 401 to a request that carried `refused`; True if asking again may help.

        Raises `UpstreamRefusedError` if it wants tokens from a service that is not trusted.
        """
        offered = parse_challenges(challenges)
        if "bearer" in offered:
            asked = offered["bearer"]
            self._scheme = _TokenService(self._trusted(asked.get("realm", "")), asked.get("service", ""))
            stale = self._tokens.get(scope)
            if stale is not None and stale.header == refused:
                del self._tokens[scope]
            return True
        if "basic" in offered:
            self._scheme = self._login.basic()
            return self._scheme is not None and self._scheme != refused
        return False

    def _trusted(self, realm: str) -> str:
        try:
            origin = Origin.of(realm)
        except ValueError as error:
            raise UpstreamRefusedError(f"the upstream {self._origin} names a token service: {error}") from error
        if origin not in self._token_origins:
            raise UpstreamRefusedError(
                f"the upstream {self._origin} asks for tokens of {origin}, which is another origin;"
                " if that is its token service, add it to upstream.token_origins"
            )
        return realm

    async def _ask(self, service: _TokenService, scope: str) -> _Token:
        parameters = [("service", service.service), *(("scope", part) for part in scope.split())]
        realm = urlsplit(service.realm)
        query = "&".join(filter(None, (realm.query, urlencode(parameters))))
        basic = self._login.basic()
        asked_at = self._clock()
        answer = await self._fetch(
            Origin.of(service.realm).url(f"{realm.path or '/'}?{query}"),
            {"Authorization": basic} if basic else {},
        )
        token = answer.get("token") or answer.get("access_token")
        if not isinstance(token, str) or _TOKEN.fullmatch(token) is None:
            raise BrokenContentError(f"the token service of the upstream {self._origin} gave no token")
        lifetime = answer.get("expires_in", _DEFAULT_LIFETIME)
        if not isinstance(lifetime, int) or isinstance(lifetime, bool) or not 0 <= lifetime < 2**31:
            lifetime = _DEFAULT_LIFETIME
        return _Token(f"Bearer {token}", asked_at + max(lifetime - _MARGIN, lifetime / 2))


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
