"""What the tests run as processes of their own: writers that print a line for whatever they were promised to keep.

python -m tests.storage.writers records URL NAME COUNT     verdicts and audit records, COUNT of each
python -m tests.storage.writers documents URL NAME         documents, until it is killed
python -m tests.storage.writers blobs FOLDER NAME          blobs, until it is killed
python -m tests.storage.writers spool URL FOLDER NAME      audit records that wait in a file, until it is killed
"""

import asyncio
import itertools
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path

from scanning.oci.digest import Digest
from storage import audit, documents, verdicts
from storage.audit import AuditRecord, Event
from storage.audit_spool import AuditSpool
from storage.content.filesystem import FilesystemContent
from storage.database import Database
from tests.storage.values import NOW, verdict


def _tell(kept: object) -> None:
    sys.stdout.write(f"{kept}\n")
    sys.stdout.flush()


async def _write_records(url: str, name: str, count: str) -> None:
    database = await Database.open(url)

    async def write(number: int) -> None:
        made = verdict(f"{name}-{number}")
        async with database.transaction() as tx:
            await verdicts.append(tx, verdict("shared"))
            await verdicts.append(tx, made)
            await audit.append(tx, AuditRecord(NOW, Event.PUSH, name, "", "reject", verdict=made.id))
        _tell(made.id)

    await asyncio.gather(*map(write, range(int(count))))
    await database.close()


async def _write_documents(url: str, name: str) -> None:
    database = await Database.open(url)
    for number in itertools.count():
        async with database.transaction() as tx:
            kept = await documents.put(tx, f"{name} {number} ".encode() * 5000)
        _tell(kept)


async def _write_blobs(folder: str, name: str) -> None:
    content = FilesystemContent(Path(folder))
    for number in itertools.count():
        body = f"{name} {number} ".encode() * 5000
        staging = await content.begin()
        await content.append(staging, body)
        digest = Digest.of(body)
        await content.commit(staging, digest)
        _tell(digest)


async def _write_to_spool(url: str, folder: str, name: str) -> None:
    database = await Database.open(url)
    spool = AuditSpool(Path(folder), database, 1 << 26)
    draining = asyncio.create_task(spool.keep_draining())
    for number in itertools.count():
        spool.append(AuditRecord(NOW, Event.PULL, name, "", "served", request_id=f"{name}-{number}"))
        _tell(f"{name}-{number}")
        await asyncio.sleep(0)
        assert not draining.done()


if __name__ == "__main__":
    writers: dict[str, Callable[..., Coroutine[None, None, None]]] = {
        "records": _write_records,
        "documents": _write_documents,
        "blobs": _write_blobs,
        "spool": _write_to_spool,
    }
    asyncio.run(writers[sys.argv[1]](*sys.argv[2:]))
