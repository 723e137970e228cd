"""Short-lived bearer tokens: signed JWTs (RFC 7519, RFC 8725) that only this gate issues and only it reads.

One fixed algorithm, our own keys only, and a header that says nothing else: what a token's header offers as a
key or calls critical is refused, not followed. A token carries the id of its grant, so that revoking the grant
ends it; see `liveness`.
"""

import hashlib
import secrets
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import jwt

from config.errors import ImagegateError
from proxy.clock import Clock
from proxy.identity.keys import TokenKeys
from proxy.identity.scopes import Access

ALGORITHM = "EdDSA"
LEEWAY = timedelta(seconds=30)
_HEADER = {"alg", "kid", "typ"}
_REQUIRED = ["exp", "aud", "iss", "nbf", "iat", "jti", "sub", "access"]
_MAX_LENGTH = 16 * 1024
_REMEMBERED = 10_000


class TokenRefusedError(ImagegateError):
    """A bearer token that is not good. `expired` tells the everyday case from the others."""

    def __init__(self, message: str, *, expired: bool = False) -> None:
        super().__init__(message)
        self.expired = expired


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A fresh bearer token. `lifetime` is in seconds."""

    text: str
    lifetime: int
    issued_at: datetime


@dataclass(frozen=True, slots=True)
class Claims:
    """What a verified token says. The times are seconds since 1970."""

    grant: str
    access: Access
    not_before: int
    expires: int


class BearerTokens:
    """Issues and verifies. What is issued or verified is remembered, by hash, as much as fits; its time is always
    checked.
    """

    def __init__(self, keys: TokenKeys, *, issuer: str, audience: str, lifetime: int, clock: Clock) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._lifetime = lifetime
        self._clock = clock
        self._verified: OrderedDict[bytes, Claims] = OrderedDict()

    def issue(self, grant: str, access: Access) -> IssuedToken:
        """A token for one grant, good for `access`."""
        now = self._clock()
        seconds = int(now.timestamp())
        key_id, key = self._keys.signing
        claims = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": grant,
            "iat": seconds,
            "nbf": seconds,
            "exp": seconds + self._lifetime,
            "jti": secrets.token_hex(16),
            "access": access.claim,
        }
        text = jwt.encode(claims, key, algorithm=ALGORITHM, headers={"kid": key_id})
        if len(text) <= _MAX_LENGTH:
            self._remember(_fingerprint(text), _claims(claims))  # our own signature would tell us nothing
        return IssuedToken(text, self._lifetime, now)

    async def verify(self, token: str) -> Claims:
        """What `token` says, if it is ours and its time is now. Raises `TokenRefusedError`."""
        fingerprint = _fingerprint(token)
        claims = self._verified.get(fingerprint)
        if claims is None:
            claims = await self._read(token)
            self._check_time(claims)
            self._remember(fingerprint, claims)
        else:
            self._verified.move_to_end(fingerprint)
            self._check_time(claims)
        return claims

    def recall(self, token: str) -> Claims | None:
        """What a token says that was verified before; whether its time is now has to be asked."""
        return self._verified.get(_fingerprint(token))

    def is_timely(self, claims: Claims) -> bool:
        """Whether the time of a verified token is now."""
        try:
            self._check_time(claims)
        except TokenRefusedError:
            return False
        return True

    def _remember(self, fingerprint: bytes, claims: Claims) -> None:
        self._verified[fingerprint] = claims
        if len(self._verified) > _REMEMBERED:
            self._verified.popitem(last=False)

    async def _read(self, token: str) -> Claims:
        if len(token) > _MAX_LENGTH:
            raise TokenRefusedError(f"the bearer token is longer than {_MAX_LENGTH} characters")
        try:
            header = jwt.get_unverified_header(token)
            self._check_header(header)
            key = await self._keys.public(header["kid"])
            if key is None:
                raise TokenRefusedError("the bearer token is signed with a key this gate does not have")
            # The times are checked against the injected clock, every time the token is used.
            claims = jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                audience=self._audience,
                issuer=self._issuer,
                options={"require": _REQUIRED, "verify_exp": False, "verify_nbf": False, "verify_iat": False},
            )
            return _claims(claims)
        except (jwt.PyJWTError, KeyError, TypeError, ValueError, RecursionError) as error:
            raise TokenRefusedError(f"the bearer token is not valid here: {error}") from error

    def _check_header(self, header: dict[str, Any]) -> None:
        """Our tokens have these three members; `jwk`, `jku`, `x5u`, `crit` and the like are somebody else's."""
        if set(header) != _HEADER or header["alg"] != ALGORITHM or not isinstance(header["kid"], str):
            raise TokenRefusedError("the bearer token's header is not one this gate writes")

    def _check_time(self, claims: Claims) -> None:
        now = self._clock().timestamp()
        leeway = LEEWAY.total_seconds()
        if now >= claims.expires + leeway:
            raise TokenRefusedError("the bearer token has expired; ask for a new one", expired=True)
        if now < claims.not_before - leeway:
            raise TokenRefusedError("the bearer token is not valid yet; check the clocks")


def _fingerprint(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="surrogateescape")).digest()


def _claims(claims: dict[str, Any]) -> Claims:
    times = {name: claims[name] for name in ("nbf", "iat", "exp")}
    for name, value in times.items():
        if type(value) is not int:
            raise ValueError(f"{name} is not a whole number")
    return Claims(
        grant=claims["sub"],
        access=Access.from_claim(claims["access"]),
        not_before=max(times["nbf"], times["iat"]),
        expires=times["exp"],
    )
