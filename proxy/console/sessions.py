"""Sessions of the console: who signed in, sealed into a cookie that only this console reads.

    a token, proven once --begin--> session --seal--> cookie --find--> session, younger than its two ends, not ended
                                                                           |
                                            the grant is asked for on every request, as for any other credential

The cookie holds no credential: it names a grant, and is opened with a key that seals nothing else, so that it is worth
nothing at /v2/ or /api/, and what seals uploads is worth nothing here.
"""

import hmac
import json
import secrets
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from aiohttp import web
from cryptography.fernet import InvalidToken, MultiFernet

from proxy.clock import Clock
from storage import ended_sessions
from storage.database import Database

IDLE_SECONDS = 30 * 60
"""A session ends when it was not used for so long."""
LIFETIME_SECONDS = 12 * 3600
"""It ends after so long however much it is used."""
RENEW_SECONDS = 60
"""The cookie is written again at most so often."""
_NOTICE_SECONDS = 60
_ROOT = "/"
_PATH = "/console/"


@dataclass(frozen=True, slots=True)
class ConsoleSession:
    """Somebody who signed in. Times are in seconds since 1970; `form_token` stands in each form of theirs."""

    id: str
    grant: str
    started_at: int
    seen_at: int
    form_token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Notice:
    """What the page at `path` says once, after a change. `secret` is shown this once and kept nowhere."""

    path: str
    text: str
    secret: str = field(default="", repr=False)


class SessionDesk:
    """Begins, seals and finds sessions. `is_secure` is whether browsers reach the gate by https."""

    def __init__(self, database: Database, cipher: MultiFernet, clock: Clock, *, is_secure: bool) -> None:
        self._database = database
        self._cipher = cipher
        self._clock = clock
        self._is_secure = is_secure
        prefix = "__Host-" if is_secure else ""
        self.cookie = f"{prefix}imagegate-console"
        self._notice_cookie = f"{prefix}imagegate-notice"

    def begin(self, grant: str) -> ConsoleSession:
        """A session that nobody has seen, whatever the browser sent (no fixation)."""
        now = self._now()
        return ConsoleSession(secrets.token_hex(16), grant, now, now, secrets.token_urlsafe(32))

    async def find(self, request: web.Request) -> ConsoleSession | None:
        """The session of a request; None where it has none, a forged one, or one that has ended, or was ended by any
        process. Raises the `StorageError` family.
        """
        fields = self._open(request.cookies.get(self.cookie, ""), "session")
        if fields is None:
            return None
        found = ConsoleSession(**fields)
        now = self._now()
        is_live = now - found.seen_at < IDLE_SECONDS and now - found.started_at < LIFETIME_SECONDS
        if not is_live:
            return None
        async with self._database.snapshot() as tx:
            return None if await ended_sessions.is_ended(tx, found.id) else found

    async def end(self, session: ConsoleSession) -> None:
        """Have no cookie of it open anything any more. Raises the `StorageError` family."""
        now = self._clock()
        until = datetime.fromtimestamp(session.started_at + LIFETIME_SECONDS, UTC)
        async with self._database.transaction() as tx:
            await ended_sessions.end(tx, session.id, until, now)

    def keep(self, response: web.Response, session: ConsoleSession) -> None:
        """Let the browser keep `session`, seen now."""
        seen = replace(session, seen_at=self._now())
        fields = {name: getattr(seen, name) for name in ConsoleSession.__slots__}
        self._set(response, self.cookie, self._seal("session", fields), IDLE_SECONDS)

    def keep_if_due(self, response: web.Response, session: ConsoleSession) -> None:
        """The same, where the browser's cookie is not quite new."""
        if self._now() - session.seen_at >= RENEW_SECONDS:
            self.keep(response, session)

    def drop(self, response: web.Response) -> None:
        """Let the browser forget its session."""
        self._set(response, self.cookie, "", 0)

    def is_of_form(self, session: ConsoleSession, token: str) -> bool:
        """Whether `token` is the one in the forms of this session."""
        return hmac.compare_digest(session.form_token.encode(), token.encode())

    def tell(self, response: web.Response, session: ConsoleSession, notice: Notice) -> None:
        """Let the next page at the notice's path say it."""
        fields = {"session": session.id, "until": self._now() + _NOTICE_SECONDS}
        fields |= {"path": notice.path, "text": notice.text, "secret": notice.secret}
        self._set(response, self._notice_cookie, self._seal("notice", fields), _NOTICE_SECONDS)

    def take_notice(self, request: web.Request, session: ConsoleSession) -> Notice | None:
        """What this page is to say, of this session and not older than a minute."""
        fields = self._open(request.cookies.get(self._notice_cookie, ""), "notice")
        if fields is None or fields["session"] != session.id or fields["until"] < self._now():
            return None
        return Notice(fields["path"], fields["text"], fields["secret"]) if fields["path"] == request.path else None

    def drop_notice(self, response: web.Response) -> None:
        """It was said."""
        self._set(response, self._notice_cookie, "", 0)

    def _set(self, response: web.Response, name: str, value: str, seconds: int) -> None:
        """`__Host-` wants Secure, the root as path, and no domain (RFC 6265bis, 4.1.3.2)."""
        response.set_cookie(
            name,
            value,
            max_age=seconds,
            path=_ROOT if self._is_secure else _PATH,
            secure=self._is_secure,
            httponly=True,
            samesite="Strict",
        )

    def _seal(self, kind: str, fields: dict[str, Any]) -> str:
        return self._cipher.encrypt(json.dumps({"kind": kind} | fields, separators=(",", ":")).encode()).decode()

    def _open(self, sealed: str, kind: str) -> dict[str, Any] | None:
        try:
            fields: dict[str, Any] = json.loads(self._cipher.decrypt(sealed))
        except (InvalidToken, ValueError):
            return None
        return fields if fields.pop("kind") == kind else None

    def _now(self) -> int:
        return int(self._clock().timestamp())
