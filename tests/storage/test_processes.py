"""Several processes on the same state, and processes that are killed."""

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

from scanning.oci.digest import Digest
from storage import audit, documents, verdicts
from storage.content.filesystem import FilesystemContent
from storage.database import Database

_ROOT = Path(__file__).parents[2]


async def _start(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.storage.writers", *arguments, cwd=_ROOT, stdout=subprocess.PIPE
    )


async def _kill_after(writer: asyncio.subprocess.Process, acknowledged: int) -> list[Digest]:
    """Kill a writer in the middle of its work; gives all that it was promised."""
    assert writer.stdout is not None
    lines = [await writer.stdout.readline() for _ in range(acknowledged)]
    writer.send_signal(signal.SIGKILL)
    lines += (await writer.stdout.read()).splitlines(keepends=True)
    assert await writer.wait() == -signal.SIGKILL
    return [Digest.parse(line.decode().strip()) for line in lines if line.endswith(b"\n")]


async def test_processes_and_tasks_append_at_once_and_nothing_is_lost(database_url: str) -> None:
    names, count = ("one", "two", "three"), 25
    running = [await _start("records", database_url, name, str(count)) for name in names]
    answers = [await writer.communicate() for writer in running]

    assert [writer.returncode for writer in running] == [0, 0, 0]
    told = {line for answer, _ in answers for line in answer.decode().split()}
    database = await Database.open(database_url)
    async with database.snapshot() as tx:
        kept = [made.id for made in await verdicts.list_newest(tx, limit=1000)]
        trail = await audit.newest(tx, limit=1000)
    await database.close()
    assert told == {f"{name}-{number}" for name in names for number in range(count)}
    assert sorted(kept) == sorted(told | {"shared"})
    assert sorted(record.verdict for _, record in trail) == sorted(told)
    assert len({number for number, _ in trail}) == len(trail)


async def test_t65_a_killed_process_loses_no_record_that_was_acknowledged(database_url: str) -> None:
    for attempt in range(3):
        told = await _kill_after(await _start("documents", database_url, str(attempt)), 10 + 7 * attempt)

        database = await Database.open(database_url)
        async with database.transaction() as tx:
            for digest in told:
                assert await documents.get(tx, digest) is not None
            await documents.put(tx, b"and writing goes on")
        await database.close()


async def test_t65_a_killed_process_loses_no_blob_that_was_acknowledged(tmp_path: Path) -> None:
    for attempt in range(3):
        told = await _kill_after(await _start("blobs", str(tmp_path), str(attempt)), 10 + 7 * attempt)

        content = FilesystemContent(tmp_path)
        for digest in told:
            assert digest.matches(b"".join([chunk async for chunk in content.read(digest)]))
    published = [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()]
    assert all(Digest("sha256", path.name).matches(path.read_bytes()) for path in published)
