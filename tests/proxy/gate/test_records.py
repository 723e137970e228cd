"""What is on record is read for all who ask at the same time, and for nobody later than he asked."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from proxy.gate.records import Records
from scanning.oci.digest import Digest
from scanning.oci.names import Repository
from scanning.verdict import Verdict
from storage import manifests, verdicts
from storage.database import Database, Transaction
from storage.errors import StorageUnavailableError
from tests.storage.values import NOW, image, verdict

pytestmark = pytest.mark.asyncio(loop_scope="session")

APP = Repository("team/app")


class Watched:
    """A database that counts the questions, and makes the first of them wait if a test wants it."""

    def __init__(self, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked = 0
        self.reached = asyncio.Event()
        self.go = asyncio.Event()
        self.go.set()
        self.problem: Exception | None = None
        self._snapshot = database.snapshot
        monkeypatch.setattr(database, "snapshot", self.snapshot)

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Transaction]:
        self.asked += 1
        if self.asked == 1:
            self.reached.set()
            await self.go.wait()
        if self.problem:
            raise self.problem
        async with self._snapshot() as tx:
            yield tx


async def _record(tx: Transaction, known: Verdict) -> None:
    """A verdict on the image of the tests' values, which is on record as well."""
    await manifests.record(tx, Repository(known.repository), image("image"), b"{}", held=False, facts=None, now=NOW)
    await verdicts.append(tx, known)


@pytest.fixture
def watched(database: Database, monkeypatch: pytest.MonkeyPatch) -> Watched:
    return Watched(database, monkeypatch)


@pytest.fixture
def records(database: Database, watched: Watched) -> Records:
    return Records(database)


async def test_each_gets_its_own_answer_to_one_question(records: Records, watched: Watched, database: Database) -> None:
    known = verdict("admits")
    async with database.transaction() as tx:
        await _record(tx, known)
    keys = [(Repository(known.repository), known.digest), *((APP, Digest.of(bytes([byte]))) for byte in range(40))]
    found = await asyncio.gather(*(records.find(*key) for key in keys))

    assert watched.asked == 1
    assert [one.verdict for one in found] == [known, *[None] * 40]
    assert [one.manifest.digest if one.manifest else None for one in found] == [known.digest, *[None] * 40]


async def test_many_are_read_in_several_questions(records: Records, watched: Watched) -> None:
    found = await asyncio.gather(*(records.find(APP, Digest.of(str(number).encode())) for number in range(200)))
    assert len(found) == 200
    assert 1 < watched.asked < 10


async def test_who_asks_while_a_question_runs_sees_what_was_recorded_before_he_asked(
    records: Records, watched: Watched, database: Database
) -> None:
    known = verdict("admits")
    key = Repository(known.repository), known.digest
    watched.go.clear()
    first = asyncio.create_task(records.find(*key))
    await watched.reached.wait()
    async with database.transaction() as tx:
        await _record(tx, known)
    second = asyncio.create_task(records.find(*key))
    watched.go.set()

    assert (await second).verdict == known
    await first
    assert watched.asked == 2


async def test_a_question_that_hangs_holds_up_nobody_who_comes_later(records: Records, watched: Watched) -> None:
    watched.go.clear()
    hanging = asyncio.create_task(records.find(APP, Digest.of(b"hangs")))
    await watched.reached.wait()
    async with asyncio.timeout(60):
        assert (await records.find(APP, Digest.of(b"other"))).verdict is None
        assert (await records.find(APP, Digest.of(b"hangs"))).verdict is None
    assert not hanging.done()
    watched.go.set()
    await hanging


async def test_all_are_told_that_the_database_is_gone_and_the_next_asks_again(
    records: Records, watched: Watched
) -> None:
    watched.problem = StorageUnavailableError("gone")
    told = await asyncio.gather(
        *(records.find(APP, Digest.of(bytes([byte]))) for byte in range(3)), return_exceptions=True
    )
    assert [type(one) for one in told] == [StorageUnavailableError] * 3
    watched.problem = None
    assert (await records.find(APP, Digest.of(b"0"))).manifest is None


async def test_who_goes_away_takes_nothing_from_those_who_wait(records: Records, watched: Watched) -> None:
    watched.go.clear()
    first, second = (asyncio.create_task(records.find(APP, Digest.of(b"same"))) for _ in range(2))
    await watched.reached.wait()
    first.cancel()
    watched.go.set()
    assert (await second).manifest is None
    assert watched.asked == 1
