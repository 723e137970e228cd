"""Sessions that somebody ended."""

from datetime import timedelta

from storage import ended_sessions
from storage.database import Database
from tests.storage.values import NOW

HOUR = timedelta(hours=1)


async def test_an_ended_session_stays_ended_for_as_long_as_it_could_have_lived(database: Database) -> None:
    async with database.transaction() as tx:
        for session, until in (("a" * 32, NOW + HOUR), ("a" * 32, NOW + HOUR), ("b" * 32, NOW + 3 * HOUR)):
            await ended_sessions.end(tx, session, until, NOW)
    async with database.snapshot() as tx:
        assert [await ended_sessions.is_ended(tx, name * 32) for name in "abc"] == [True, True, False]

    async with database.transaction() as tx:
        await ended_sessions.end(tx, "c" * 32, NOW + 4 * HOUR, NOW + 2 * HOUR)
        assert [await ended_sessions.is_ended(tx, name * 32) for name in "abc"] == [False, True, True]
