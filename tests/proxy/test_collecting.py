"""Garbage collection by schedule and on record."""

import asyncio
from datetime import timedelta
from pathlib import Path

from config.settings import Content, Settings
from proxy.clock import utc_now
from proxy.collecting import collect_and_record, sentence
from proxy.running import running
from proxy.state_folder import make_state_folder
from proxy.upstream.embedded import EmbeddedUpstream
from scanning.oci.names import Repository
from storage import audit
from storage.audit import AuditRecord, Event
from storage.collection import Collected
from storage.content.filesystem import FilesystemContent
from storage.database import Database
from tests.proxy.upstream.oci_content import push_blob

APP = Repository("team/app")
COLLECTED = Collected(repositories=1, unlinked=1)
"""The bytes stay for now: to the content store, whose times are real, they are young."""


async def leave_garbage(database: Database, folder: Path) -> None:
    """Push a blob, long ago, that no manifest ever came for."""
    long_ago = utc_now() - timedelta(days=3)
    await push_blob(EmbeddedUpstream(database, FilesystemContent(folder), clock=lambda: long_ago), APP, b"garbage")


async def records(database: Database) -> list[AuditRecord]:
    async with database.snapshot() as tx:
        return [record for _, record in await audit.newest(tx, event=Event.BLOBS_COLLECTED, limit=10)]


async def test_what_is_collected_is_on_record_with_who_did_it(database: Database, tmp_path: Path) -> None:
    await leave_garbage(database, tmp_path / "content")
    content = FilesystemContent(tmp_path / "content")
    for _ in range(2):  # the second time there is nothing, and no record of it
        await collect_and_record(database, content, Content(), utc_now(), actor="admin", address="host")
    (record,) = await records(database)
    assert (record.actor, record.address, record.outcome) == ("admin", "host", "collected")
    assert record.detail == sentence(COLLECTED)


async def test_a_running_gate_collects_by_itself(tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path / "state", inspection={"workers": 1}, listen={"port": 0})
    make_state_folder(settings.state_dir)
    before = await Database.open(settings.database)
    await leave_garbage(before, settings.content_path)
    await before.close()
    async with running(settings) as services:
        for _ in range(600):
            if found := await records(services.database):
                break
            await asyncio.sleep(0.1)
        assert [record.actor for record in found] == ["imagegate"]
