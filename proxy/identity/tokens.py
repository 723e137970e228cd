"""Opaque access tokens, `igt_<id>_<secret>`: what a person or a machine types as its password.

The secret has 256 random bits, so its plain SHA-256 is as hard to reverse as it is to guess, and a slow hash would
only make every request slow. Only the hash is kept.
"""

import hashlib
import hmac
import re
import secrets
import unicodedata
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from config.patterns import RepositoryPattern
from proxy.identity.administrator import ITSELF, Administrator
from proxy.identity.errors import LastAdministratorError, UnusableTokenError
from proxy.identity.principal import Principal, Role, cover
from storage import audit, grants
from storage.audit import AuditRecord, Event
from storage.database import Database, Transaction
from storage.grants import Grant
from storage.locks import serialise

LONGEST_NAME = 128
PREFIX = "igt_"
_GRAMMAR = re.compile(r"igt_([0-9a-f]{16})_([A-Za-z0-9_-]{43})")
_UNSEEN_KINDS = frozenset({"Cc", "Cf"})
_UNSEEN = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d159\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
"""What Unicode calls default-ignorable, the empty braille pattern and the empty notehead: nobody sees these."""
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


async def create(
    database: Database, new: NewGrant, by: Administrator, now: datetime, maker: Principal | None = None
) -> tuple[Grant, OpaqueToken]:
    """Record a grant, and the act, in one transaction. The token is shown this once; it is kept nowhere.

    `maker` is whose token allows it, None where nobody's does. Raises `UnusableTokenError` for one that nobody could
    tell from others, or use.
    """
    if not _alike(new.name) or "\0" in new.name or len(new.name) > LONGEST_NAME:
        raise UnusableTokenError(
            f"say what the token is for, in at most {LONGEST_NAME} characters and without NUL; the audit names it so"
        )
    if _alike(new.name) == _alike(ITSELF.name):
        raise UnusableTokenError(f"the audit calls the gate itself {ITSELF.name}; choose another name")
    if not new.repositories:
        raise UnusableTokenError("name at least one pattern of repositories that the token is for; ** is all of them")
    if new.expires_at is not None and new.expires_at <= now:
        raise UnusableTokenError(
            f"a token that has ended already ({new.expires_at.isoformat()}) is of no use; choose a later end"
        )
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
        if maker is not None:
            await serialise(tx, "grants")
            await _check_end(tx, new, maker, now)
            await _check_name(tx, new.name, maker)
        await grants.add(tx, grant)
        await audit.append(tx, _record(Event.TOKEN_CREATED, grant, by, now))
    return grant, token


async def _check_end(tx: Transaction, new: NewGrant, maker: Principal, now: datetime) -> None:
    """Return if the token ends no later than the one that makes it, which lives still: nobody's rights outlive it
    (threat 118).
    """
    own = await grants.get(tx, maker.grant)
    if own is None or not own.is_alive(now):
        raise UnusableTokenError("your own token has ended meanwhile, so it makes no other")
    if own.expires_at is not None and (new.expires_at is None or new.expires_at > own.expires_at):
        raise UnusableTokenError(
            f"your own token ends on {own.expires_at:%Y-%m-%d %H:%M} UTC, and none that it makes ends later: choose an"
            " end before that, or ask whoever gave you yours"
        )


async def _check_name(tx: Transaction, name: str, maker: Principal) -> None:
    """Return if no token that `maker` could not have made is called so: the audit knows who did something by name."""
    for other in await grants.list_all(tx):
        if _alike(other.name) == _alike(name) and not _may_see(maker, other):
            raise UnusableTokenError(
                f"a token for other repositories than yours is called {name!r}, and the audit could not tell the two"
                " apart; choose another name"
            )


def _alike(name: str) -> str:
    """The same for names that look alike: compatible, large or small, with blanks or marks that are not seen."""
    plain = unicodedata.normalize("NFKC", _seen(name)).casefold()
    return _seen(unicodedata.normalize("NFKC", plain))


def _seen(text: str) -> str:
    plain = _UNSEEN.sub("", text)
    return "".join(one for one in plain if not one.isspace() and unicodedata.category(one) not in _UNSEEN_KINDS)


async def seen_by(database: Database, principal: Principal) -> tuple[Grant, ...]:
    """The grants, the newest first, alive or not, that an admin with the grant of `principal` could have made: those
    for repositories that it covers.
    """
    async with database.snapshot() as tx:
        found = await grants.list_all(tx)
    return tuple(grant for grant in reversed(found) if _may_see(principal, grant))


async def find(database: Database, principal: Principal, grant_id: str) -> Grant | None:
    """One of these by its id; None where there is none."""
    async with database.snapshot() as tx:
        grant = await grants.get(tx, grant_id)
    return grant if grant is not None and _may_see(principal, grant) else None


def as_document(grant: Grant, now: datetime) -> dict[str, Any]:
    """A grant as JSON for programs, without the hash of its secret: what /api/v1/tokens and `imagegate token list
    --json` give.
    """
    return {
        "id": grant.id,
        "name": grant.name,
        "role": grant.role,
        "repositories": list(grant.repositories),
        "state": grant.state(now),
        "created_at": grant.created_at.isoformat(),
        "created_by": grant.created_by,
        "expires_at": grant.expires_at.isoformat() if grant.expires_at else None,
        "last_used_at": grant.last_used_at.isoformat() if grant.last_used_at else None,
        "revoked_at": grant.revoked_at.isoformat() if grant.revoked_at else None,
    }


def _may_see(principal: Principal, grant: Grant) -> bool:
    """Whether a grant is one for repositories that `principal` covers."""
    return all(cover(principal.repositories, pattern) for pattern in _patterns(grant))


async def revoke(
    database: Database, grant_id: str, by: Administrator, now: datetime, *, leaves_an_admin: bool = False
) -> bool:
    """End a grant, and record the act, in one transaction. False if there is no such grant or it was revoked already.

    Whoever could not make another where they are says `leaves_an_admin`: the last admin's is not ended then, and
    `LastAdministratorError` raised.
    """
    async with database.transaction() as tx:
        await serialise(tx, "grants")
        grant = await grants.get(tx, grant_id)
        if grant is None or grant.revoked_at is not None:
            return False
        if leaves_an_admin and not await _is_replaceable(tx, grant, now):
            raise LastAdministratorError(
                f"token {grant.id} ({grant.name}) is the last live one of an admin of {', '.join(grant.repositories)}:"
                " make another first, or revoke it on the gate's machine with imagegate token revoke"
            )
        await grants.revoke(tx, grant_id, now)
        await audit.append(tx, _record(Event.TOKEN_REVOKED, grant, by, now))
    return True


async def _is_replaceable(tx: Transaction, grant: Grant, now: datetime) -> bool:
    """Whether somebody is left who administers all that the holder of `grant` does."""
    if grant.role != Role.ADMIN or not grant.is_alive(now):
        return True
    others = [one for one in await grants.list_all(tx) if one.id != grant.id and one.is_alive(now)]
    admins = [_patterns(one) for one in others if one.role == Role.ADMIN]
    return any(all(cover(patterns, pattern) for pattern in _patterns(grant)) for patterns in admins)


def _patterns(grant: Grant) -> tuple[RepositoryPattern, ...]:
    return tuple(map(RepositoryPattern, grant.repositories))


def _record(event: Event, grant: Grant, by: Administrator, now: datetime) -> AuditRecord:
    allowed = f"{grant.role} on {', '.join(grant.repositories)}"
    expires = f" until {grant.expires_at.isoformat()}" if grant.expires_at else ""
    return by.record(now, event, detail=f"token {grant.id} ({grant.name}): {allowed}{expires}")
