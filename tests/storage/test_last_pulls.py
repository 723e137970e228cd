"""What each caller got at the last pull of a tag."""

import asyncio
from dataclasses import replace
from datetime import timedelta

from scanning.oci.names import Repository, Tag
from storage import audit, last_pulls
from storage.audit import AuditRecord, Event
from storage.database import Database
from storage.last_pulls import LastPull
from storage.tag_history import Tagged
from tests.storage.values import APP, LATER, NOW, OTHER, digest

PULL = AuditRecord(NOW, Event.PULL, "west", "192.0.2.7", "served", APP.name, "1.0", str(digest("old")))
AGAIN = replace(PULL, at=LATER, digest=str(digest("new")))


def tagged(repository: Repository = APP, tag: str = "1.0", means: str = "new") -> Tagged:
    """A tag as it stands."""
    return Tagged(repository, Tag(tag), digest(means), NOW, older=0)


async def note(database: Database, *records: AuditRecord) -> None:
    """Record what happened, in this order."""
    async with database.transaction() as tx:
        for record in records:
            await audit.append(tx, record)


async def test_of_each_caller_the_last_pull_counts_and_the_newest_is_first(database: Database) -> None:
    east = replace(PULL, actor="east", at=NOW + timedelta(minutes=1))
    await note(database, PULL, east, AGAIN)
    expected = [LastPull("west", digest("new"), LATER), LastPull("east", digest("old"), east.at)]
    async with database.snapshot() as tx:
        assert await last_pulls.of_each(tx, [tagged()]) == {tagged(): expected}
        assert await last_pulls.of_others(tx, [tagged()]) == {tagged(): expected[1:]}


async def test_what_is_recorded_late_does_not_hide_what_happened_after_it(database: Database) -> None:
    """As when the records of a killed process are taken over."""
    await note(database, AGAIN, PULL)
    async with database.snapshot() as tx:
        assert await last_pulls.of_others(tx, [tagged()]) == {}


async def test_records_that_waited_are_noted_as_those_written_at_once(database: Database) -> None:
    for records in ((PULL, AGAIN), (AGAIN, PULL)):
        rows = await audit.decode_lines(b"".join(map(audit.encode, records)))
        async with database.transaction() as tx:
            await audit.append_decoded(tx, rows)
            assert await last_pulls.of_each(tx, [tagged()]) == {tagged(): [LastPull("west", digest("new"), LATER)]}


async def test_a_tag_is_not_taken_for_that_of_another_repository(database: Database) -> None:
    tags = [tagged(APP, "1.0"), tagged(OTHER, "2.0")]
    await note(database, PULL, replace(PULL, repository=OTHER.name), replace(PULL, reference="2.0"))
    async with database.snapshot() as tx:
        assert await last_pulls.of_each(tx, tags) == {tags[0]: [LastPull("west", digest("old"), NOW)]}


async def test_what_was_denied_pushed_or_pulled_by_digest_is_no_pull_of_a_tag(database: Database) -> None:
    await note(
        database,
        replace(PULL, outcome="denied"),
        replace(PULL, event=Event.PUSH, outcome="served"),
        replace(PULL, reference=PULL.digest),
        replace(PULL, digest=""),
    )
    async with database.snapshot() as tx:
        assert await last_pulls.of_each(tx, [tagged()]) == {}


async def test_processes_that_note_the_same_pulls_wait_for_each_other(database: Database) -> None:
    """Each in its own order: whoever locked rows in it would be killed by the database as a deadlock."""
    names = [f"cluster-{number}" for number in range(40)]
    rounds = [[replace(PULL, actor=name, at=NOW + timedelta(minutes=turn)) for name in names] for turn in range(8)]

    async def drain(records: list[AuditRecord]) -> None:
        rows = await audit.decode_lines(b"".join(map(audit.encode, records)))
        async with database.transaction() as tx:
            await audit.append_decoded(tx, rows)

    await asyncio.gather(*(drain(some if turn % 2 else some[::-1]) for turn, some in enumerate(rounds)))
    async with database.snapshot() as tx:
        found = await last_pulls.of_each(tx, [tagged()])
    assert {one.actor: one.at for one in found[tagged()]} == dict.fromkeys(names, rounds[-1][0].at)
