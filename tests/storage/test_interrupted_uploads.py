"""Notes on where interrupted uploads stand."""

from datetime import UTC, datetime, timedelta

from storage import interrupted_uploads
from storage.database import Database

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LONG = "https://registry.example/v2/team/app/blobs/uploads/" + "x" * 1000


async def test_the_newest_note_on_each_upload_is_found(database: Database) -> None:
    async with database.transaction() as tx:
        await interrupted_uploads.note(tx, LONG, "first", 1, NOW)
        await interrupted_uploads.note(tx, LONG, "second", 5_000_000_000, NOW)
        await interrupted_uploads.note(tx, LONG + "y", "another", 7, NOW)
    async with database.snapshot() as tx:
        assert await interrupted_uploads.find(tx, LONG) == ("second", 5_000_000_000)
        assert await interrupted_uploads.find(tx, LONG + "z") is None


async def test_notes_go_once_no_upload_can_be_that_old(database: Database) -> None:
    async with database.transaction() as tx:
        await interrupted_uploads.note(tx, LONG, "old", 1, NOW)
        await interrupted_uploads.note(tx, "other", "new", 1, NOW + timedelta(days=3))
    async with database.snapshot() as tx:
        assert await interrupted_uploads.find(tx, LONG) is None
