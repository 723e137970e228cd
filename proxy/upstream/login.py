"""Who the gate is to an upstream. Where that comes from can change while the gate runs."""

import re
from dataclasses import dataclass, field
from typing import Protocol, Self

import aiohttp

_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]{1,16384}")


def is_token(text: object) -> bool:
    """Whether `text` can be sent as a bearer token (RFC 6750, "b64token")."""
    return isinstance(text, str) and _TOKEN.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Login:
    """The gate's own account at an upstream: a user name and its password, or a token; empty for none.

    A login that never changes is its own `LoginSource`.
    """

    username: str = ""
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)

    @property
    def basic(self) -> str | None:
        """The Basic Authorization header, None without an account."""
        if not self.username:
            return None
        return aiohttp.encode_basic_auth(self.username, self.password, encoding="utf-8")

    @property
    def bearer(self) -> str | None:
        """The Authorization header of a token that goes as it is, None without one."""
        return f"Bearer {self.token}" if self.token else None

    async def login(self, refused: Self | None = None) -> Self:
        """See `LoginSource`."""
        return self


class LoginSource(Protocol):
    """Where the login comes from."""

    async def login(self, refused: Login | None = None) -> Login:
        """The login to use now; another than `refused` if there is a newer one.

        Raises `UpstreamUnavailableError` if there is none.
        """
        ...
