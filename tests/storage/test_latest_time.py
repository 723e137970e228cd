"""The latest time that a gate has seen."""

from datetime import timedelta

from storage import latest_time
from storage.database import Database
from tests.storage.values import NOW

HOUR = timedelta(hours=1)


async def test_it_never_becomes_earlier_unless_somebody_says_so(database: Database) -> None:
    async with database.transaction() as tx:
        assert await latest_time.read(tx) is None
        assert await latest_time.note(tx, NOW) == NOW
        assert await latest_time.note(tx, NOW - HOUR) == NOW
        assert await latest_time.note(tx, NOW + HOUR) == NOW + HOUR
    async with database.transaction() as tx:
        assert await latest_time.replace(tx, NOW) == NOW + HOUR
        assert await latest_time.read(tx) == NOW
