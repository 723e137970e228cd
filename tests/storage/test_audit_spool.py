"""Records that wait in a file: none is lost, none is there twice, and none is promised that cannot be kept."""

import asyncio
import errno
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
import sqlalchemy as sa

from storage import audit, schema
from storage.audit import AuditRecord, Event, RepeatedRecord
from storage.audit_spool import AuditSpool
from storage.database import Database, Transaction
from storage.errors import StorageUnavailableError
from tests.storage.values import NOW

PULL = AuditRecord(at=NOW, event=Event.PULL, actor="cluster", address="192.0.2.7", outcome="served", reference="1.0")
_ROOM = 1 << 20
_ROOT = Path(__file__).parents[2]


async def recorded(database: Database) -> list[AuditRecord]:
    """The audit, oldest first."""
    async with database.snapshot() as tx:
        return [record for _, record in reversed(await audit.newest(tx, limit=100_000))]


def files(folder: Path) -> list[Path]:
    """What is in a folder."""
    return list(folder.iterdir())


@asynccontextmanager
async def draining(spool: AuditSpool) -> AsyncIterator[None]:
    """The spool at work, as in a running gate."""
    task = asyncio.create_task(spool.keep_draining())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the files are."""
    made = tmp_path / "audit"
    made.mkdir()
    return made


Busy = Callable[..., AbstractContextManager[None]]


@pytest.fixture
def busy(database: Database, monkeypatch: pytest.MonkeyPatch) -> Busy:
    """Records one of some requests just before each transaction begins, as a gate does that is asked all the time."""

    @contextmanager
    def requests(spool: AuditSpool, *names: str) -> Iterator[None]:
        coming = iter(names)
        begin = database.transaction

        def begin_later() -> AbstractAsyncContextManager[Transaction]:
            for name in islice(coming, 1):
                spool.append(replace(PULL, request_id=name))
            return begin()

        with monkeypatch.context() as patch:
            patch.setattr(database, "transaction", begin_later)
            yield

    return requests


async def test_a_record_that_waited_is_the_one_that_would_have_been_written_at_once(
    database: Database, folder: Path
) -> None:
    strange = replace(PULL, actor="a\nb\u202e", detail="x" * 10_000, reference="\N{LOCK}\0")
    async with database.transaction() as tx:
        await audit.append(tx, strange)
    spool = AuditSpool(folder, database, _ROOM)
    spool.append(strange)
    await spool.close()

    at_once, waited = await recorded(database)
    assert waited == at_once


async def test_nothing_is_left_behind_by_a_spool_that_is_closed(database: Database, folder: Path) -> None:
    spool = AuditSpool(folder, database, _ROOM)
    spool.append(PULL)
    await spool.close()

    assert await asyncio.to_thread(os.listdir, folder) == []
    async with database.snapshot() as tx:
        assert (await tx.execute(sa.select(schema.audit_spools))).all() == []


async def test_t65_a_killed_process_loses_no_record_and_none_is_there_twice(
    database: Database, database_url: str, folder: Path
) -> None:
    told: list[str] = []
    for attempt in range(3):
        writer = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.storage.writers", "spool", database_url, str(folder), str(attempt)),
            cwd=_ROOT,
            stdout=subprocess.PIPE,
        )
        assert writer.stdout is not None
        lines = [await writer.stdout.readline() for _ in range(200 + 300 * attempt)]
        writer.send_signal(signal.SIGKILL)
        lines += (await writer.stdout.read()).splitlines(keepends=True)
        assert await writer.wait() == -signal.SIGKILL
        ours = f"{attempt}-".encode()
        told += [line.decode().strip() for line in lines if line.startswith(ours) and line.endswith(b"\n")]

    await AuditSpool(folder, database, _ROOM).take_over()

    kept = [record.request_id for record in await recorded(database)]
    assert len(set(kept)) == len(kept)
    assert set(told) <= set(kept)


async def test_repeated_records_become_one_for_each_second_and_their_number_stays_true(
    database: Database, folder: Path
) -> None:
    """Others are left as they are."""
    served, denied = RepeatedRecord(PULL), RepeatedRecord(replace(PULL, outcome="denied"))
    spool = AuditSpool(folder, database, _ROOM)
    midnight = "2026-01-01T00:00:00+00:00"
    spool.append_lines(served.line(midnight, "a", 3) + denied.line(midnight, "b", 1))
    spool.append(replace(PULL, request_id="c"))
    spool.append_lines(served.line("2026-01-01T00:00:00.9+00:00", "d", 2))
    spool.append_lines(served.line("2026-01-01T00:00:01+00:00", "e", 7))
    await spool.close()

    kept = [(record.request_id, record.outcome, record.times) for record in await recorded(database)]
    assert kept == [("a", "served", 5), ("b", "denied", 1), ("c", "served", 1), ("e", "served", 7)]


@pytest.mark.parametrize(
    ("good", "bad"), [(b"2026-01-01", b"2026-13-01"), (b'"times":3', b'"times":3x'), (b'"served"', b'"ser"ved"')]
)
async def test_a_repeated_record_that_cannot_be_read_is_left_out_alone(
    database: Database, folder: Path, good: bytes, bad: bytes
) -> None:
    line = RepeatedRecord(PULL).line("2026-01-01T00:00:00+00:00", "a", 3)
    spool = AuditSpool(folder, database, _ROOM)
    spool.append_lines(line + line.replace(good, bad) + line)
    await spool.close()

    assert [(record.request_id, record.times) for record in await recorded(database)] == [("a", 6)]


async def test_a_repeated_record_is_the_one_that_would_have_been_written_by_itself(
    database: Database, folder: Path
) -> None:
    strange = replace(PULL, actor="a\nb\u202e", reference="\N{LOCK}", request_id="r1", detail='","event":"')
    spool = AuditSpool(folder, database, _ROOM)
    spool.append(strange)
    spool.append_lines(RepeatedRecord(strange).line(NOW.isoformat(), "r1", 1))
    await spool.close()

    alone, repeated = await recorded(database)
    assert repeated == alone


async def test_what_a_living_process_writes_is_left_to_it(database: Database, folder: Path) -> None:
    living = AuditSpool(folder, database, _ROOM)
    living.append(PULL)
    (folder / "dead.spool").write_bytes(audit.encode(replace(PULL, request_id="of the dead")))

    await AuditSpool(folder, database, _ROOM).take_over()

    assert [record.request_id for record in await recorded(database)] == ["of the dead"]
    await living.close()
    assert len(await recorded(database)) == 2


async def test_the_half_line_of_a_power_cut_is_left_out_and_what_stands_before_it_is_kept(
    database: Database, folder: Path
) -> None:
    line = audit.encode(PULL)
    (folder / "cut.spool").write_bytes(line * 1000 + line[:-20])

    await AuditSpool(folder, database, _ROOM).take_over()

    assert await recorded(database) == [PULL] * 1000


async def test_a_hole_that_a_power_cut_left_does_not_keep_what_stands_behind_it(
    database: Database, folder: Path
) -> None:
    (folder / "cut.spool").write_bytes(audit.encode(PULL) + bytes(200_000) + b"\n" + audit.encode(PULL))

    await asyncio.wait_for(AuditSpool(folder, database, _ROOM).take_over(), 60)

    assert await recorded(database) == [PULL] * 2


async def test_a_commit_whose_answer_was_lost_is_not_done_twice(
    database: Database, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    committing = database.transaction

    @asynccontextmanager
    async def unanswered() -> AsyncIterator[Transaction]:
        async with committing() as tx:
            yield tx
        raise StorageUnavailableError("the connection is gone")

    spool = AuditSpool(folder, database, _ROOM)
    spool.append(replace(PULL, request_id="first"))
    with monkeypatch.context() as patch:
        patch.setattr(database, "transaction", unanswered)
        with pytest.raises(StorageUnavailableError):
            await spool.drain()
    spool.append(replace(PULL, request_id="second"))
    await spool.close()

    assert [record.request_id for record in await recorded(database)] == ["first", "second"]


async def test_no_more_waits_than_may_and_it_goes_on_once_the_database_took_it(
    database: Database, folder: Path
) -> None:
    spool = AuditSpool(folder, database, 3 * len(audit.encode(PULL)))
    for _ in range(3):
        spool.append(PULL)
    with pytest.raises(StorageUnavailableError, match="wait for the database and no more may"):
        spool.append(PULL)

    await spool.drain()
    spool.append(PULL)
    await spool.close()
    assert len(await recorded(database)) == 4


async def test_what_is_written_meanwhile_waits_for_the_next_time(database: Database, folder: Path, busy: Busy) -> None:
    spool = AuditSpool(folder, database, _ROOM)
    spool.append(replace(PULL, request_id="before"))

    with busy(spool, "meanwhile"):
        await spool.drain()
    assert [record.request_id for record in await recorded(database)] == ["before"]
    assert spool.waiting > 0

    await spool.close()
    assert [record.request_id for record in await recorded(database)] == ["before", "meanwhile"]


async def test_a_large_file_ends_also_where_more_is_written_all_the_time(
    database: Database, folder: Path, busy: Busy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.audit_spool._RENEW_BYTES", 2 * len(audit.encode(PULL)))
    spool = AuditSpool(folder, database, _ROOM)
    for name in ("first", "second"):
        spool.append(replace(PULL, request_id=name))
    (large,) = files(folder)

    with busy(spool, "third", "fourth"):
        await spool.drain()
    assert large not in files(folder)

    await spool.close()
    assert [record.request_id for record in await recorded(database)] == ["first", "second", "third", "fourth"]
    async with database.snapshot() as tx:
        assert await tx.scalar(sa.select(sa.func.count()).select_from(schema.audit_spools)) == 0
    assert not files(folder)


async def test_a_full_disk_refuses_the_record_whole(
    database: Database, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = AuditSpool(folder, database, _ROOM)
    spool.append(PULL)
    write = os.pwrite

    def half(handle: int, line: bytes, offset: int) -> int:
        if len(line) < 50:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(handle, line[: len(line) // 2], offset)

    with monkeypatch.context() as patch:
        patch.setattr("storage.audit_spool.os.pwrite", half)
        with pytest.raises(StorageUnavailableError, match="No space left on device"):
            spool.append(replace(PULL, request_id="refused"))
    spool.append(replace(PULL, request_id="after"))
    await spool.close()

    assert [record.request_id for record in await recorded(database)] == ["", "after"]


async def test_it_is_told_at_any_time_whether_a_record_could_be_written(
    database: Database, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    spool = AuditSpool(folder, database, _ROOM)
    await spool.check()
    spool.append(PULL)
    before = spool.waiting
    await spool.check()
    with monkeypatch.context() as patch:
        patch.setattr("storage.audit_spool.os.pwrite", no_room)
        with pytest.raises(StorageUnavailableError, match="No space left on device"):
            await spool.check()
    assert spool.waiting == before
    with pytest.raises(StorageUnavailableError, match="no more may"):
        await AuditSpool(folder, database, 100).check()
    await spool.close()

    assert await recorded(database) == [PULL]


async def test_a_folder_that_cannot_be_written_is_said_so(database: Database, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"a file where the folder should be")

    with pytest.raises(StorageUnavailableError, match="the audit cannot be written"):
        AuditSpool(tmp_path / "file", database, _ROOM).append(PULL)


async def test_the_database_away_for_a_while_costs_nothing_but_time(
    database: Database, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = asyncio.Event()

    def gone() -> None:
        asked.set()
        raise StorageUnavailableError("the database is gone")

    spool = AuditSpool(folder, database, _ROOM)
    with monkeypatch.context() as patch:
        patch.setattr(database, "transaction", gone)
        async with draining(spool):
            spool.append(PULL)
            await asked.wait()
    assert spool.waiting > 0

    spool.append(PULL)
    await spool.drain()
    assert await recorded(database) == [PULL, PULL]
