"""Sessions of the console that somebody signed out of: their cookies open nothing any more, wherever they were copied.

Each is kept until no cookie of it could be opened any more.
"""

from datetime import datetime

import sqlalchemy as sa

from storage.database import Transaction
from storage.schema import ended_sessions
from storage.upsert import insert


async def end(tx: Transaction, session: str, until: datetime, now: datetime) -> None:
    """End a session that would have ended `until`; ending it again changes nothing."""
    await tx.execute(sa.delete(ended_sessions).where(ended_sessions.c.until <= now))
    await tx.execute(insert(tx, ended_sessions).values(id=session, until=until).on_conflict_do_nothing())


async def is_ended(tx: Transaction, session: str) -> bool:
    """Whether a session was ended."""
    return bool(await tx.scalar(sa.select(sa.exists().where(ended_sessions.c.id == session))))
