"""What must happen one after the other although rows do not collide."""

import hashlib

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection


async def serialise(tx: AsyncConnection, name: str) -> None:
    """Wait for, and keep out until this transaction ends, every other one that serialises on `name`.

    SQLite has one writer at a time anyway.
    """
    if tx.dialect.name == "postgresql":
        await tx.execute(sa.select(sa.func.pg_advisory_xact_lock(_key(name))))


async def share(tx: AsyncConnection, name: str) -> None:
    """Wait for, and keep out until this transaction ends, every one that serialises on `name`, but not those that share
    it. Never serialise on what is shared already: two who do wait for each other.
    """
    if tx.dialect.name == "postgresql":
        await tx.execute(sa.select(sa.func.pg_advisory_xact_lock_shared(_key(name))))


def _key(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)
