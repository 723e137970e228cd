"""Manifests with their last verdicts, many in one go."""

from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from storage import judged, manifests, verdicts
from storage.database import Database
from storage.judged import Judged
from tests.storage.values import APP, NOW, OTHER, digest, image, verdict


async def test_each_is_found_with_its_last_verdict_in_its_repository_only(database: Database) -> None:
    last = verdict("the last")
    elsewhere = verdict("elsewhere", OTHER, manifest="unjudged")
    of_a_tag = replace(verdict("of one tag"), tag="v1")
    async with database.transaction() as tx:
        for word in ("image", "unjudged", "not asked for"):
            await manifests.record(tx, APP, image(word), b"{}", held=False, facts=None, now=NOW)
        await manifests.record(tx, OTHER, image("not asked for"), b"{}", held=False, facts=None, now=NOW)
        for each in (verdict("the first"), last, elsewhere, of_a_tag):
            await verdicts.append(tx, each)

    wanted = [(APP, digest("image")), (OTHER, digest("image")), (APP, digest("unjudged")), (APP, digest("nobody's"))]
    async with database.snapshot() as tx:
        found = await judged.find(tx, wanted)
        assert found == {
            (APP, digest("image")): Judged(await manifests.find(tx, APP, digest("image")), last),
            (OTHER, digest("image")): Judged(),
            (APP, digest("unjudged")): Judged(await manifests.find(tx, APP, digest("unjudged")), None),
            (APP, digest("nobody's")): Judged(),
        }
        for key in wanted:
            assert found[key].verdict == await verdicts.latest(tx, *key)


async def test_what_was_said_of_a_manifest_that_is_on_record_no_more_is_not_told(database: Database) -> None:
    async with database.transaction() as tx:
        await verdicts.append(tx, verdict("without a manifest"))
        assert await judged.find(tx, [(APP, digest("image"))]) == {(APP, digest("image")): Judged()}


async def test_many_and_those_that_are_due_are_found_by_their_indexes(sqlite_url: str) -> None:
    """Reading a whole table would take longer with every image there is."""
    database = await Database.open(sqlite_url)
    asked: list[tuple[str, tuple[str, ...]]] = []
    async with database.snapshot() as tx:
        connection = tx.sync_connection
        assert connection is not None
        sa.event.listen(connection, "before_cursor_execute", lambda *told: asked.append(told[2:4]))
        await judged.find(tx, [(APP, digest("image")), (OTHER, digest("another"))])
        await manifests.due(tx, NOW)
        questions = tuple(asked)
        plans = [
            [row.detail for row in await tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", values)]
            for text, values in questions
        ]
    await database.close()
    assert len(plans) == 2
    assert [step for plan in plans for step in plan if step.startswith("SCAN")] == []


@pytest.mark.parametrize("minutes", [1, 0, -1], ids=["later", "at the same moment", "by a clock that is behind"])
async def test_t108_what_was_said_before_a_doubt_is_not_told_and_is_due(database: Database, minutes: int) -> None:
    key, late = (APP, digest("image")), NOW + timedelta(minutes=5)
    async with database.transaction() as tx:
        await manifests.record(tx, APP, image("image"), b"{}", held=False, facts=None, now=NOW)
        await verdicts.append(tx, verdict("before"))
        assert await manifests.due(tx, late) == ()
        await manifests.doubt(tx, APP, [key[1], digest("nobody's")], NOW + timedelta(minutes=minutes))
    async with database.transaction() as tx:
        assert (await judged.find(tx, [key]))[key].verdict is None
        assert await manifests.due(tx, late) == (key,)

        after = replace(verdict("after"), judged_at=late)
        await verdicts.append(tx, after)
        assert (await judged.find(tx, [key]))[key].verdict == after
        assert await manifests.due(tx, late) == ()
