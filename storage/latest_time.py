"""The latest time that any gate on this database has seen: a clock set back must not make what expired valid again."""

from datetime import datetime

import sqlalchemy as sa

from storage.database import Transaction
from storage.schema import latest_time
from storage.upsert import insert

_ONLY = 1


async def read(tx: Transaction) -> datetime | None:
    """The latest time that was noted; None before the first."""
    return (await tx.execute(sa.select(latest_time.c.at))).scalar_one_or_none()


async def note(tx: Transaction, now: datetime) -> datetime:
    """Note that it is `now`. Gives the latest time that was ever noted, which may be later."""
    await tx.execute(insert(tx, latest_time).values(number=_ONLY, at=now).on_conflict_do_nothing())
    await tx.execute(sa.update(latest_time).where(latest_time.c.at < now).values(at=now))
    noted: datetime = (await tx.execute(sa.select(latest_time.c.at))).scalar_one()
    return noted


async def replace(tx: Transaction, now: datetime) -> datetime | None:
    """Take `now` for the latest time, whatever was noted: that was wrong. Gives what was noted."""
    noted = await read(tx)
    await tx.execute(sa.delete(latest_time))
    await note(tx, now)
    return noted
