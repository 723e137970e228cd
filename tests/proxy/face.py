"""The running face of the gate, and ways to talk to it."""

import asyncio
import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
from yarl import URL

from config.patterns import RepositoryPattern
from proxy.identity import tokens
from proxy.identity.administrator import Administrator
from proxy.identity.principal import Role
from proxy.identity.tokens import NewGrant
from proxy.services import Services
from scanning.oci.digest import Digest
from scanning.oci.names import Repository
from storage import audit
from storage.audit import AuditRecord
from storage.audit_spool import AuditSpool
from tests.simulators import MemoryGate, MemoryUpstream

START = datetime(2026, 1, 1, tzinfo=UTC)
ADMINISTRATOR = Administrator("tester", "127.0.0.1")


@dataclass
class Time:
    """A clock and a stopwatch that a test moves."""

    passed: float = 0.0

    def now(self) -> datetime:
        return START + timedelta(seconds=self.passed)

    def monotonic(self) -> float:
        return 1000.0 + self.passed


@dataclass(frozen=True)
class Answer:
    """What came back over the wire."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    json: Any = None
    set_cookies: tuple[str, ...] = ()

    @property
    def code(self) -> str:
        """The OCI error code."""
        return str(self.json["errors"][0]["code"])

    @property
    def message(self) -> str:
        """The OCI error message."""
        return str(self.json["errors"][0]["message"])


@dataclass
class Face:
    """One running face. `token` is what `call` logs in with, unless told otherwise."""

    host: str
    port: int
    services: Services
    upstream: MemoryUpstream
    gate: MemoryGate
    time: Time
    session: aiohttp.ClientSession
    spool: AuditSpool
    token: str = ""
    grant: str = field(default="")

    @property
    def url(self) -> str:
        """The address of the listening socket."""
        return f"http://{self.host}:{self.port}"

    async def new_token(
        self, role: Role, *patterns: str, name: str = "somebody", expires_at: datetime | None = None
    ) -> tuple[str, str]:
        """A grant's id and its token."""
        new = NewGrant(name, role, tuple(map(RepositoryPattern, patterns)), expires_at)
        grant, token = await tokens.create(self.services.database, new, ADMINISTRATOR, self.time.now())
        return grant.id, token.text

    async def call(
        self,
        method: str,
        target: str,
        *,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
    ) -> Answer:
        """Send a request with the target exactly as written; `token` "" sends no credential."""
        sent = dict(headers or {})
        secret = self.token if token is None else token
        if secret and "Authorization" not in sent:
            sent["Authorization"] = basic(secret)
        address = URL(self.url + target, encoded=True)
        async with self.session.request(method, address, headers=sent, data=body, allow_redirects=False) as response:
            content = await response.read()
            kind = response.headers.get("Content-Type", "")
            parsed = await response.json(content_type=None) if content and "json" in kind else None
            cookies = tuple(response.headers.getall("Set-Cookie", ()))
            return Answer(response.status, response.headers, content, parsed, cookies)

    async def bearer(self, *scopes: str, token: str | None = None) -> str:
        """A bearer token for `scopes`, as an Authorization header."""
        query = "&".join(f"scope={scope}" for scope in scopes)
        answer = await self.call("GET", f"/auth/token?service=imagegate&{query}", token=token)
        assert answer.status == 200, answer
        return f"Bearer {answer.json['token']}"

    async def raw(self, request: bytes) -> bytes:
        """Send bytes as they are; read until the face closes the connection."""
        reader, writer = await asyncio.open_connection(self.host, self.port)
        try:
            writer.write(request)
            await writer.drain()
            return await reader.read()
        finally:
            writer.close()
            await writer.wait_closed()

    def blob(self, content: bytes, repository: str = "team/app") -> Digest:
        """Put a blob behind the gate."""
        digest = Digest.of(content)
        self.upstream.blobs[Repository(repository), digest] = content
        return digest

    async def audited(self) -> list[AuditRecord]:
        """The audit, oldest first."""
        async with self.services.database.snapshot() as tx:
            return [record for _, record in reversed(await audit.newest(tx, limit=1000))]

    async def refuses_connections(self) -> None:
        """Wait until nobody gets in any more."""
        while True:
            try:
                _, writer = await asyncio.open_connection(self.host, self.port)
            except ConnectionRefusedError:
                return
            writer.transport.abort()
            await asyncio.sleep(0.01)


def basic(token: str, account: str = "someone") -> str:
    """An Authorization header."""
    return "Basic " + base64.b64encode(f"{account}:{token}".encode()).decode()
