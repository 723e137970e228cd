"""Exceptions that an admin made beside the policy file. One that was ended stays on record and counts for nothing."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from config.policy import Waiver
from storage.database import Transaction
from storage.schema import waivers


@dataclass(frozen=True, slots=True)
class WaiverRecord:
    """An exception, and who typed it; its `author` is who decided. It counts until it expires or was ended."""

    waiver: Waiver
    created_at: datetime
    created_by: str
    ended_at: datetime | None = None
    ended_by: str = ""

    def holds(self, now: datetime) -> bool:
        """Whether it counts at `now`."""
        return self.ended_at is None and now < self.waiver.expires


async def add(tx: Transaction, record: WaiverRecord) -> None:
    """Record an exception. Its id must be new."""
    await tx.execute(
        sa.insert(waivers).values(
            id=record.waiver.id,
            waiver=record.waiver.model_dump_json(),
            expires=record.waiver.expires,
            created_at=record.created_at,
            created_by=record.created_by,
            ended_at=record.ended_at,
            ended_by=record.ended_by,
        )
    )


async def end(tx: Transaction, waiver_id: str, by: str, now: datetime) -> bool:
    """End an exception; False if there is none, or it was ended before."""
    done = await tx.execute(
        sa.update(waivers)
        .where(waivers.c.id == waiver_id, waivers.c.ended_at.is_(None))
        .values(ended_at=now, ended_by=by)
    )
    return done.rowcount > 0


async def get(tx: Transaction, waiver_id: str) -> WaiverRecord | None:
    """An exception by its id, whether it counts or not."""
    row = (await tx.execute(sa.select(waivers).where(waivers.c.id == waiver_id))).one_or_none()
    return None if row is None else _record(row)


async def list_all(tx: Transaction) -> tuple[WaiverRecord, ...]:
    """Every exception that ever was, the newest first."""
    rows = await tx.execute(sa.select(waivers).order_by(waivers.c.created_at.desc(), waivers.c.id))
    return tuple(map(_record, rows))


async def in_force(tx: Transaction, now: datetime) -> tuple[Waiver, ...]:
    """The exceptions that count at `now`, in the order of their ids."""
    query = sa.select(waivers).where(waivers.c.ended_at.is_(None), waivers.c.expires > now).order_by(waivers.c.id)
    return tuple(_record(row).waiver for row in await tx.execute(query))


def _record(row: sa.Row[*tuple[Any, ...]]) -> WaiverRecord:
    waiver = Waiver.model_validate_json(row.waiver)
    return WaiverRecord(waiver, row.created_at, row.created_by, row.ended_at, row.ended_by)
