"""Grants: what an access token allows. Only the hash of its secret is kept."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from storage.batches import batches
from storage.database import Transaction
from storage.schema import grants

_AT_ONCE = 500


class GrantState(StrEnum):
    """Whether a grant still allows anything, and why not."""

    LIVE = "live"
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class Grant:
    """A role on the repositories that match one of the patterns, until it expires or is revoked.

    `last_used_at` is known to the minute, None where it never was used; it makes no difference between two.
    """

    id: str
    name: str
    role: str
    repositories: tuple[str, ...]
    secret_hash: str = field(repr=False)
    created_at: datetime
    created_by: str
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = field(default=None, compare=False)

    def is_alive(self, now: datetime) -> bool:
        """Whether it still allows anything."""
        return self.state(now) is GrantState.LIVE

    def state(self, now: datetime) -> GrantState:
        """How it stands at `now`."""
        if self.revoked_at is not None:
            return GrantState.REVOKED
        return GrantState.LIVE if self.expires_at is None or now < self.expires_at else GrantState.EXPIRED


async def add(tx: Transaction, grant: Grant) -> None:
    """Keep a new grant. Its id must be new."""
    await tx.execute(
        sa.insert(grants).values(
            id=grant.id,
            name=grant.name,
            role=grant.role,
            repositories=list(grant.repositories),
            secret_hash=grant.secret_hash,
            created_at=grant.created_at,
            created_by=grant.created_by,
            expires_at=grant.expires_at,
            revoked_at=grant.revoked_at,
        )
    )


async def get(tx: Transaction, grant_id: str) -> Grant | None:
    """A grant by its id, whether it is alive or not."""
    row = (await tx.execute(sa.select(grants).where(grants.c.id == grant_id))).one_or_none()
    return None if row is None else _grant(row)


async def list_all(tx: Transaction) -> tuple[Grant, ...]:
    """Every grant that ever was, oldest first."""
    rows = await tx.execute(sa.select(grants).order_by(grants.c.created_at, grants.c.id))
    return tuple(map(_grant, rows))


async def revoke(tx: Transaction, grant_id: str, now: datetime) -> bool:
    """End a grant for ever; False if there is none, or it was revoked before."""
    done = await tx.execute(
        sa.update(grants).where(grants.c.id == grant_id, grants.c.revoked_at.is_(None)).values(revoked_at=now)
    )
    return done.rowcount > 0


async def note_used(tx: Transaction, ids: Collection[str], at: datetime) -> None:
    """Tokens of these grants were used about `at`."""
    for some in batches(sorted(ids), _AT_ONCE):
        await tx.execute(sa.update(grants).where(grants.c.id.in_(some)).values(last_used_at=at))


async def count(tx: Transaction) -> int:
    """How many grants there ever were."""
    return await tx.scalar(sa.select(sa.func.count()).select_from(grants)) or 0


def _grant(row: sa.Row[*tuple[Any, ...]]) -> Grant:
    return Grant(**row._asdict() | {"repositories": tuple(row.repositories)})
