"""Turns: one task of all processes on one database."""

import asyncio
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from storage.database import Database
from storage.errors import StorageUnavailableError
from storage.turns import FileLocks

_TAKE = """
import asyncio, sys
from storage.database import Database

async def main():
    database = await Database.open(sys.argv[1])
    async with database.turn("tags of team/app"):
        print("taken", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
    await database.close()

asyncio.run(main())
"""


@asynccontextmanager
async def another_process(database_url: str) -> AsyncIterator[Process]:
    """A process that has the turn of team/app until it reads a line."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", _TAKE, database_url, stdin=PIPE, stdout=PIPE)
    assert process.stdout is not None
    assert await process.stdout.readline() == b"taken\n"
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def _take(database: Database, name: str) -> None:
    async with database.turn(name):
        pass


async def test_one_task_at_a_time_has_a_turn_and_they_come_in_order(database: Database) -> None:
    at_work, most, order = 0, 0, []

    async def work(number: int) -> None:
        nonlocal at_work, most
        async with database.turn("tags of team/app"):
            at_work += 1
            most = max(most, at_work)
            order.append(number)
            async with database.transaction():
                await asyncio.sleep(0)
            at_work -= 1

    await asyncio.gather(*map(work, range(20)))

    assert most == 1
    assert order == list(range(20))


async def test_a_turn_ends_with_its_block_however_that_ends(database: Database) -> None:
    with pytest.raises(LookupError):
        async with database.turn("tags of team/app"):
            raise LookupError
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01), database.turn("tags of team/app"):
            await asyncio.Event().wait()

    await _take(database, "tags of team/app")


async def test_another_name_does_not_wait(database: Database) -> None:
    async with database.turn("tags of team/app"):
        await _take(database, "tags of team/other")


async def test_more_turns_than_connections_are_all_had(database: Database) -> None:
    """Each needs a connection for its work while it has one for its turn."""

    async def work(number: int) -> None:
        async with database.turn(f"tags of team/{number}"), database.transaction():
            await asyncio.sleep(0)

    await asyncio.gather(*map(work, range(60)))


async def test_another_process_waits(database_url: str, database: Database) -> None:
    async with another_process(database_url) as other:
        waiting = asyncio.create_task(_take(database, "tags of team/app"))
        await asyncio.wait([waiting], timeout=0.5)
        assert not waiting.done()

        await other.communicate(b"\n")

        await waiting


async def test_t65_a_killed_process_gives_its_turn_back(database_url: str, database: Database) -> None:
    async with another_process(database_url) as other:
        waiting = asyncio.create_task(_take(database, "tags of team/app"))

        other.send_signal(signal.SIGKILL)

        await waiting


async def test_whoever_waits_too_long_is_told_so(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("locks")
    one, other = FileLocks(folder, 60), FileLocks(folder, 0.05)
    async with one.keep_out("tags of team/app"):
        with pytest.raises(StorageUnavailableError, match=r"another process has been at tags of team/app for 0\.05"):
            async with other.keep_out("tags of team/app"):
                pass


async def test_a_folder_that_cannot_be_made_is_named(tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.mktemp("locks") / "file"
    file.write_bytes(b"")
    with pytest.raises(StorageUnavailableError, match="cannot be opened"):
        async with FileLocks(file, 1).keep_out("tags"):
            pass


async def test_a_closed_database_gives_no_turn(database: Database) -> None:
    await database.close()

    with pytest.raises(StorageUnavailableError, match="imagegate stops"):
        await _take(database, "tags of team/app")
