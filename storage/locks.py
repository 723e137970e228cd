"""What must happen one after the other although rows do not collide."""

import hashlib

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection


async def serialise(tx: AsyncConnection, name: str) -> None:
    """Wait for, and keep out until this transaction ends, every other one that serialises on `name`.

    SQLite has one writer at a time anyway.
    """
    if tx.dialect.name == "postgresql":
        key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)
        await tx.execute(sa.select(sa.func.pg_advisory_xact_lock(key)))
