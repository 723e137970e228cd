"""When packages were seen: the earliest time counts, many of them keep nobody waiting, and they are forgotten."""

from datetime import timedelta
from typing import Any

import pytest
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


@pytest.mark.parametrize(("keep", "every"), [(1, 1), (45, 29)])
async def test_t112_what_is_judged_within_the_days_that_are_kept_is_not_forgotten(
    database: Database, keep: int, every: int
) -> None:
    purl = MANY[0]
    for day in range(93):
        now = NOW + timedelta(days=day)
        async with database.transaction() as tx:
            if day % every == 0:
                found = await sightings.find(tx, [purl])
                if purl not in found or not found[purl].is_fresh(now):
                    await sightings.note(tx, {purl: now}, now)
            assert await sightings.count_unseen(tx, now - timedelta(days=keep)) == 0
            assert await sightings.forget_unseen(tx, now - timedelta(days=keep), 1) == 0


async def test_t112_what_no_image_was_judged_with_for_long_is_forgotten(database: Database) -> None:
    async with database.transaction() as tx:
        await sightings.note(tx, dict.fromkeys(MANY[1:], EARLIER), NOW)
        await sightings.note(tx, {MANY[0]: EARLIER}, LATER)
    month = timedelta(days=30)  # in which they may have been seen without a note
    for bounds, forgotten in (
        (Bounds(None, NOW), Forgotten()),
        (Bounds(LATER, NOW), Forgotten()),
        (Bounds(NOW + month, NOW), Forgotten()),
        (Bounds(LATER + month, NOW), Forgotten(packages=1200)),
        (Bounds(LATER + month, NOW), Forgotten()),
    ):
        assert await preview(database, bounds) == forgotten
        assert await forget(database, bounds) == forgotten
    async with database.snapshot() as tx:
        assert await sightings.find(tx, MANY) == {MANY[0]: Seen(EARLIER, LATER)}


@pytest.mark.real
async def test_forgetting_waits_for_nobody_who_notes(postgres_url: str) -> None:
    """Two that wait for each other's rows would end with an error for one of them. SQLite has one writer at a time."""
    database = await Database.open(postgres_url)
    async with database.transaction() as tx:
        await sightings.note(tx, dict.fromkeys(MANY[:50], EARLIER), EARLIER)
    since = NOW + timedelta(days=30)

    async with database.transaction() as noting:
        await sightings.note(noting, dict.fromkeys(MANY[10:20], NOW), LATER)
        async with database.transaction() as forgetting:
            assert await sightings.forget_unseen(forgetting, since, 45) == 40
        await sightings.note(noting, dict.fromkeys(MANY[:10], NOW), LATER)
    assert await forget(database, Bounds(since, NOW)) == Forgotten()
    async with database.snapshot() as tx:
        assert (await sightings.find(tx, MANY)).keys() == set(MANY[:20])
    await database.close()
