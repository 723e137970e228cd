"""When packages were seen: the earliest time counts, many of them keep nobody waiting, and they are forgotten."""

from datetime import timedelta
from typing import Any

from sqlalchemy import event

from storage import sightings
from storage.database import Database
from storage.forgetting import Bounds, Forgotten, forget, preview
from storage.sighting_record import Seen
from tests.storage.values import NOW

MANY = [f"pkg:npm/package-{number}@1" for number in range(1201)]
EARLIER, LATER = NOW - timedelta(days=1), NOW + timedelta(days=1)


async def test_the_earliest_time_that_anybody_notes_counts(database: Database) -> None:
    for at in (NOW, LATER, EARLIER, NOW):
        async with database.transaction() as tx:
            await sightings.note(tx, {MANY[0]: at}, at)
    async with database.snapshot() as tx:
        assert await sightings.find(tx, MANY[:2]) == {MANY[0]: Seen(EARLIER, LATER)}
        assert await sightings.find(tx, []) == {}


async def test_t110_packages_without_end_are_noted_and_found_a_few_at_a_time(database: Database) -> None:
    sizes: list[int] = []

    def count(_connection: Any, _cursor: Any, _statement: str, parameters: Any, _context: Any, _many: bool) -> None:
        sizes.append(len(parameters))

    for engine in (database._engines.writer, database._engines.reader):
        event.listen(engine.sync_engine, "before_cursor_execute", count)
    async with database.transaction() as tx:
        await sightings.note(tx, {purl: NOW + timedelta(seconds=number) for number, purl in enumerate(MANY)}, LATER)
    async with database.snapshot() as tx:
        found = await sightings.find(tx, MANY)

    assert found == {purl: Seen(NOW + timedelta(seconds=number), LATER) for number, purl in enumerate(MANY)}
    assert max(sizes) == 500


async def test_t112_what_no_image_was_judged_with_for_long_is_forgotten(database: Database) -> None:
    async with database.transaction() as tx:
        await sightings.note(tx, dict.fromkeys(MANY[1:], EARLIER), NOW)
        await sightings.note(tx, {MANY[0]: EARLIER}, LATER)
    for bounds, forgotten in (
        (Bounds(None, NOW), Forgotten()),
        (Bounds(NOW, NOW), Forgotten()),
        (Bounds(LATER, NOW), Forgotten(packages=1200)),
        (Bounds(LATER, NOW), Forgotten()),
    ):
        assert await preview(database, bounds) == forgotten
        assert await forget(database, bounds) == forgotten
    async with database.snapshot() as tx:
        assert await sightings.find(tx, MANY) == {MANY[0]: Seen(EARLIER, LATER)}
