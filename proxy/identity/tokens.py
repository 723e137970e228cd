"""Opaque access tokens, `igt_<id>_<secret>`: what a person or a machine types as its password.

The secret has 256 random bits, so its plain SHA-256 is as hard to reverse as it is to guess, and a slow hash would
only make every request slow. Only the hash is kept.
"""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, field
from datetime import datetime

from config.patterns import RepositoryPattern
from proxy.identity.administrator import Administrator
from proxy.identity.principal import Role
from storage import audit, grants
from storage.audit import AuditRecord, Event
from storage.database import Database
from storage.grants import Grant

PREFIX = "igt_"
_GRAMMAR = re.compile(r"igt_([0-9a-f]{16})_([A-Za-z0-9_-]{43})")
_NO_HASH = "0" * 64


@dataclass(frozen=True, slots=True)
class OpaqueToken:
    """A token taken apart. `secret` stays out of every representation."""

    id: str
    secret: str = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> "OpaqueToken | None":
        """Take `text` apart; None if it is no token of ours."""
        match = _GRAMMAR.fullmatch(text)
        return cls(match[1], match[2]) if match else None

    @classmethod
    def generate(cls) -> "OpaqueToken":
        """A new one nobody has seen."""
        return cls(secrets.token_hex(8), secrets.token_urlsafe(32))

    @property
    def text(self) -> str:
        """What its holder types."""
        return f"{PREFIX}{self.id}_{self.secret}"

    @property
    def secret_hash(self) -> str:
        """What the database keeps."""
        return hashlib.sha256(self.secret.encode()).hexdigest()

    def opens(self, grant: Grant | None) -> bool:
        """Whether it is the secret of `grant`. Takes as long for a grant that does not exist (threat 9)."""
        expected = grant.secret_hash if grant is not None else _NO_HASH
        return hmac.compare_digest(self.secret_hash, expected) and grant is not None


@dataclass(frozen=True, slots=True)
class NewGrant:
    """What an administrator wants to give: a name for people, a role, and on which repositories."""

    name: str
    role: Role
    repositories: tuple[RepositoryPattern, ...]
    expires_at: datetime | None = None


async def create(database: Database, new: NewGrant, by: Administrator, now: datetime) -> tuple[Grant, OpaqueToken]:
    """Record a grant, and the act, in one transaction. The token is shown this once; it is kept nowhere."""
    token = OpaqueToken.generate()
    grant = Grant(
        id=token.id,
        name=new.name,
        role=new.role,
        repositories=tuple(str(pattern) for pattern in new.repositories),
        secret_hash=token.secret_hash,
        created_at=now,
        created_by=by.name,
        expires_at=new.expires_at,
        revoked_at=None,
    )
    async with database.transaction() as tx:
        await grants.add(tx, grant)
        await audit.append(tx, _record(Event.TOKEN_CREATED, grant, by, now))
    return grant, token


async def revoke(database: Database, grant_id: str, by: Administrator, now: datetime) -> bool:
    """End a grant, and record the act, in one transaction. False if there is no such grant or it has ended already."""
    async with database.transaction() as tx:
        grant = await grants.get(tx, grant_id)
        if grant is None or not await grants.revoke(tx, grant_id, now):
            return False
        await audit.append(tx, _record(Event.TOKEN_REVOKED, grant, by, now))
    return True


def _record(event: Event, grant: Grant, by: Administrator, now: datetime) -> AuditRecord:
    allowed = f"{grant.role} on {', '.join(grant.repositories)}"
    expires = f" until {grant.expires_at.isoformat()}" if grant.expires_at else ""
    return by.record(now, event, detail=f"token {grant.id} ({grant.name}): {allowed}{expires}")
