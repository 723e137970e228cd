"""The keys the gate signs and seals with. All replicas share them."""

from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa

from storage.database import Transaction
from storage.schema import signing_keys


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key. `purpose` says what for, `secret` is in the form its users want."""

    id: str
    purpose: str
    secret: bytes = field(repr=False)
    created_at: datetime


async def of(tx: Transaction, purpose: str) -> tuple[SigningKey, ...]:
    """The keys for a purpose, newest first."""
    rows = await tx.execute(
        sa.select(signing_keys)
        .where(signing_keys.c.purpose == purpose)
        .order_by(signing_keys.c.created_at.desc(), signing_keys.c.id)
    )
    return tuple(SigningKey(**row._asdict()) for row in rows)


async def add(tx: Transaction, key: SigningKey) -> None:
    """Keep a new key. Its id must be new."""
    await tx.execute(
        sa.insert(signing_keys).values(id=key.id, purpose=key.purpose, secret=key.secret, created_at=key.created_at)
    )
