"""The way to the database: what is committed stays, what fails leaves nothing, and nobody overwrites anybody."""

import asyncio
import stat
from datetime import datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from scanning.oci.names import Tag
from storage import documents, held_tags, signing_keys
from storage.database import Database
from storage.errors import StorageError, StorageUnavailableError
from storage.signing_keys import SigningKey
from tests.storage.values import APP, NOW, digest


async def test_what_is_committed_is_there_after_a_restart(database_url: str) -> None:
    first = await Database.open(database_url)
    async with first.transaction() as tx:
        kept = await documents.put(tx, b"policy")
    await first.close()

    second = await Database.open(database_url)
    async with second.snapshot() as tx:
        assert await documents.get(tx, kept) == b"policy"
    await second.close()


async def test_an_exception_rolls_the_whole_transaction_back(database: Database) -> None:
    async def stops_half_way() -> None:
        async with database.transaction() as tx:
            await documents.put(tx, b"policy")
            raise RuntimeError("half-way")

    with pytest.raises(RuntimeError, match="half-way"):
        await stops_half_way()

    async with database.snapshot() as tx:
        assert await documents.get(tx, digest("policy")) is None


async def test_a_cancelled_transaction_is_rolled_back_and_lets_the_next_one_write(database: Database) -> None:
    inside = asyncio.Event()

    async def never_ends() -> None:
        async with database.transaction() as tx:
            await documents.put(tx, b"first")
            inside.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(never_ends())
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    async with database.transaction() as tx:
        assert await documents.get(tx, digest("first")) is None
        await documents.put(tx, b"second")


async def test_a_transaction_cancelled_in_the_middle_of_a_statement_gives_its_lock_back(sqlite_url: str) -> None:
    """SQLite's lock is the whole file's. The statement cannot be stopped, but who waits must get it afterwards."""
    database = await Database.open(sqlite_url)
    ended: list[asyncio.Task[None]] = []  # with their tracebacks, which keep everything alive that they point at

    async def writes_for_a_while(number: int, began: asyncio.Event) -> None:
        async with database.transaction() as tx:
            await documents.put(tx, f"{number}".encode())
            began.set()
            rows = [{"n": f"{number}-{row}"} for row in range(4000)]
            await tx.execute(sa.text("INSERT INTO audit_spools (name, taken) VALUES (:n, 1)"), rows)

    for number in range(5):
        began = asyncio.Event()
        task = asyncio.create_task(writes_for_a_while(number, began))
        await began.wait()
        for _ in range(number + 1):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        ended.append(task)
        async with database.transaction() as tx:
            await documents.put(tx, f"after {number}".encode())

    assert all(task.cancelled() for task in ended)
    await database.close()


async def test_a_snapshot_sees_one_state_while_others_write(database: Database) -> None:
    async with database.snapshot() as snapshot:
        assert await documents.get(snapshot, digest("policy")) is None
        async with database.transaction() as tx:
            await documents.put(tx, b"policy")
        assert await documents.get(snapshot, digest("policy")) is None

    async with database.snapshot() as tx:
        assert await documents.get(tx, digest("policy")) == b"policy"


async def test_a_snapshot_cannot_write(database: Database) -> None:
    with pytest.raises(StorageUnavailableError):
        async with database.snapshot() as tx:
            await documents.put(tx, b"policy")


async def test_foreign_keys_hold_on_both_databases(database: Database) -> None:
    with pytest.raises(StorageUnavailableError) as refusal:
        async with database.transaction() as tx:
            await held_tags.hold(tx, APP, Tag("1.0"), digest("never recorded"), NOW)

    assert isinstance(refusal.value.__cause__, SQLAlchemyError)


async def test_a_time_without_a_zone_is_refused(database: Database) -> None:
    with pytest.raises(StorageUnavailableError, match="without a zone"):
        async with database.transaction() as tx:
            await signing_keys.add(tx, SigningKey("k", "tokens", b"", datetime(2026, 1, 1)))  # noqa: DTZ001 - refused


async def test_what_runs_when_the_database_is_closed_may_end(database_url: str) -> None:
    database = await Database.open(database_url)
    inside, go = asyncio.Event(), asyncio.Event()

    async def lasts() -> None:
        async with database.transaction() as tx:
            inside.set()
            await go.wait()
            await documents.put(tx, b"policy")

    lasting = asyncio.create_task(lasts())
    await inside.wait()
    closing = asyncio.create_task(database.close())
    await asyncio.sleep(0)
    with pytest.raises(StorageUnavailableError, match="is closed"):
        await database.check()
    go.set()
    await lasting
    await closing

    again = await Database.open(database_url)
    async with again.snapshot() as tx:
        assert await documents.get(tx, digest("policy")) == b"policy"
    await again.close()


async def test_a_closed_database_is_unavailable(database: Database) -> None:
    await database.close()

    with pytest.raises(StorageUnavailableError, match="is closed"):
        await database.check()


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(StorageUnavailableError, match="check that it runs") as refusal:
        await Database.open("postgresql+asyncpg://gate:hunter2@127.0.0.1:1/gate")

    assert isinstance(refusal.value.__cause__, OSError)
    assert "hunter2" not in str(refusal.value)


@pytest.mark.real
@pytest.mark.parametrize("part", ["user", "database"])
async def test_a_server_that_turns_us_away_is_unavailable(postgres_url: str, part: str) -> None:
    url = sa.make_url(postgres_url)
    wrong = url.set(username="nobody") if part == "user" else url.set(database="nothing")

    with pytest.raises(StorageUnavailableError, match="does not exist"):
        await Database.open(wrong.render_as_string(hide_password=False))


@pytest.mark.real
async def test_a_lost_connection_is_unavailable_and_the_next_transaction_works(postgres_url: str) -> None:
    database = await Database.open(postgres_url)
    killer = await Database.open(postgres_url)

    async def loses_its_connection() -> None:
        async with database.transaction() as tx:
            process = await tx.scalar(sa.func.pg_backend_pid())
            async with killer.transaction() as other:
                await other.execute(sa.select(sa.func.pg_terminate_backend(process)))
            await documents.put(tx, b"policy")

    with pytest.raises(StorageUnavailableError):
        await loses_its_connection()
    async with database.transaction() as tx:
        await documents.put(tx, b"policy")

    await database.close()
    await killer.close()


async def test_a_database_that_another_process_locks_is_unavailable(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.engines.PATIENCE_SECONDS", 0.01)
    ours, theirs = await Database.open(sqlite_url), await Database.open(sqlite_url)

    async with theirs.transaction():
        with pytest.raises(StorageUnavailableError, match="database is locked"):
            async with ours.transaction():
                pass
        async with ours.snapshot() as tx:
            assert await documents.get(tx, digest("policy")) is None

    await ours.close()
    await theirs.close()


async def test_a_transaction_inside_another_gives_up_instead_of_waiting_for_ever(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.engines.PATIENCE_SECONDS", 0.01)
    database = await Database.open(sqlite_url)

    async with database.transaction():
        with pytest.raises(
            StorageUnavailableError, match=r"\(no connection was free for 0\.01 seconds: it is busy, or"
        ):
            async with database.transaction():
                pass

    await database.close()


async def test_t68_a_full_disk_records_nothing_and_is_unavailable(sqlite_url: str) -> None:
    database = await Database.open(sqlite_url)
    async with database.transaction() as tx:
        await tx.execute(sa.text("PRAGMA max_page_count=100"))  # what a full disk is to SQLite

    async def fills_the_disk() -> None:
        async with database.transaction() as tx:
            await documents.put(tx, b"small")
            for number in range(200):
                await signing_keys.add(tx, SigningKey(str(number), "fill", bytes(4096), NOW))

    with pytest.raises(StorageUnavailableError, match="database or disk is full"):
        await fills_the_disk()

    async with database.snapshot() as tx:
        assert await documents.get(tx, digest("small")) is None
    await database.close()


async def test_an_sqlite_commit_is_on_the_disk_when_it_is_acknowledged(sqlite_url: str) -> None:
    database = await Database.open(sqlite_url)

    async with database.transaction() as tx:
        assert await tx.scalar(sa.text("PRAGMA journal_mode")) == "wal"
        assert await tx.scalar(sa.text("PRAGMA synchronous")) == 2  # FULL

    await database.close()


async def test_nobody_else_may_read_the_sqlite_file(tmp_path: Path) -> None:
    database = await Database.open(f"sqlite+aiosqlite:///{tmp_path}/made/gate.sqlite3")
    async with database.transaction() as tx:
        await documents.put(tx, b"policy")

    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "made").iterdir()}
    assert modes == {"gate.sqlite3": 0o600, "gate.sqlite3-wal": 0o600, "gate.sqlite3-shm": 0o600}
    await database.close()


async def test_a_folder_that_cannot_be_made_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(StorageUnavailableError, match="check its folder"):
        await Database.open(f"sqlite+aiosqlite:///{tmp_path}/file/gate.sqlite3")


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("sqlite+aiosqlite://", "needs a file"),
        ("sqlite+aiosqlite:///:memory:", "needs a file"),
        ("mysql://gate:hunter2@db/gate", "is not supported"),
        ("hunter2", "cannot be read"),
    ],
)
async def test_another_kind_of_database_is_refused_without_showing_its_password(url: str, reason: str) -> None:
    with pytest.raises(StorageError, match=reason) as refusal:
        await Database.open(url)

    assert "hunter2" not in str(refusal.value)
