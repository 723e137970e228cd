"""The login for Amazon ECR: a password of twelve hours, which AWS gives to whom it knows.

Who the gate is to AWS, boto3 finds where it always looks: environment, shared files, the role of a machine.
"""

import asyncio
import base64
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import boto3.session
import structlog
from boto3.exceptions import Boto3Error
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from proxy.clock import Clock, utc_now
from proxy.upstream.login import Login
from proxy.upstream.port import UpstreamUnavailableError

_CONNECT_SECONDS = 5
_READ_SECONDS = 10
_ATTEMPTS = 3
_AT_LEAST = 60.0
"""Seconds between two requests for a password, whatever AWS or the clock says."""
_AFTER_FAILURE = 10.0
_log = structlog.get_logger(__name__)
Fetch = Callable[[], tuple[Login, datetime]]
"""Asks AWS, and blocks; gives the login and its end."""


@dataclass(frozen=True, slots=True)
class Ecr:
    """Which ECR to ask. `endpoint` is for one that is not at AWS's public address; "" for that."""

    region: str
    endpoint: str = ""

    def fetch(self) -> tuple[Login, datetime]:
        """Ask for a password. Blocks; raises the errors of boto3, `ValueError` and `LookupError`."""
        client = boto3.session.Session().client(
            "ecr",
            region_name=self.region,
            endpoint_url=self.endpoint or None,
            config=Config(
                connect_timeout=_CONNECT_SECONDS,
                read_timeout=_READ_SECONDS,
                retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
            ),
        )
        try:
            given = client.get_authorization_token()["authorizationData"][0]
        finally:
            client.close()
        username, _, password = base64.b64decode(given["authorizationToken"], validate=True).decode().partition(":")
        return Login(username, password), given["expiresAt"]


@dataclass(frozen=True, slots=True)
class _Held:
    """A login, and the times it was given, is asked for anew, and ends, on the stopwatch."""

    login: Login
    given: float
    renew: float
    end: float


class EcrLogin:
    """`LoginSource` that asks in a thread, when a quarter of the password's life is left, and once for all who wait.

    A renewal that fails leaves the old password in use until its end.
    """

    def __init__(self, fetch: Fetch, clock: Clock = utc_now, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._fetch = fetch
        self._clock = clock
        self._monotonic = monotonic
        self._held: _Held | None = None
        self._failure: tuple[float, str] = (0.0, "")
        self._lock = asyncio.Lock()

    async def login(self, refused: Login | None = None) -> Login:
        """See `LoginSource`."""
        held = self._held
        if held is not None and not self._is_due(held, refused):
            return held.login
        if held is not None and self._lock.locked() and self._monotonic() < held.end and held.login != refused:
            return held.login  # somebody renews it already
        async with self._lock:
            held = self._held
            if held is None or self._is_due(held, refused):
                held = self._held = await self._renewed(held)
        return held.login

    def _is_due(self, held: _Held, refused: Login | None) -> bool:
        now = self._monotonic()
        return now >= held.renew or (held.login == refused and now - held.given >= _AT_LEAST)

    async def _renewed(self, held: _Held | None) -> _Held:
        until, problem = self._failure
        if self._monotonic() < until:
            raise _no_password(problem)
        try:
            login, end = await asyncio.to_thread(self._fetch)
        except (BotoCoreError, ClientError, Boto3Error, ValueError, LookupError) as error:
            now = self._monotonic()
            if held is None or now >= held.end:
                self._failure = now + _AFTER_FAILURE, str(error)
                raise _no_password(str(error)) from error
            _log.warning("ECR password not renewed", problem=str(error))
            return _Held(held.login, held.given, now + _AT_LEAST, held.end)
        now = self._monotonic()
        # Counted from now on by the stopwatch; a clock that is wrong must not make every request ask AWS.
        life = max((end - self._clock()).total_seconds(), _AT_LEAST)
        return _Held(login, now, now + max(life * 0.75, _AT_LEAST), now + life)


def _no_password(problem: str) -> UpstreamUnavailableError:
    return UpstreamUnavailableError(
        f"AWS gave no password for ECR: {problem}; see the gate's AWS credentials, and that they allow"
        " ecr:GetAuthorizationToken"
    )
