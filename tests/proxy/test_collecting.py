"""What nobody needs goes by schedule, by command, and on record."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from config.settings import Settings
from proxy.clock import utc_now
from proxy.collecting import Cleared, clear_and_record, of_blobs, of_records, preview
from proxy.identity.administrator import Administrator
from proxy.running import running
from proxy.state_folder import make_state_folder
from proxy.upstream.embedded import EmbeddedUpstream
from scanning.oci.names import Repository
from storage import audit, documents, verdicts
from storage.audit import AuditRecord, Event
from storage.collection import Collected
from storage.content.filesystem import FilesystemContent
from storage.database import Database
from storage.forgetting import Forgotten
from tests.proxy.upstream.oci_content import push_blob
from tests.storage.values import verdict

APP = Repository("team/app")
COLLECTED = Collected(repositories=1, unlinked=1)
"""The bytes stay for now: to the content store, whose times are real, they are young."""
FORGOTTEN = Forgotten(verdicts=1, documents=3)
ADMIN = Administrator("admin", "host")


async def leave_garbage(database: Database, folder: Path) -> None:
    """Push a blob, long ago, that no manifest ever came for; and have refused something years ago."""
    long_ago = utc_now() - timedelta(days=3)
    await push_blob(EmbeddedUpstream(database, FilesystemContent(folder), clock=lambda: long_ago), APP, b"garbage")
    async with database.transaction() as tx:
        for word in ("image", "policy", "signatures"):
            await documents.put(tx, word.encode())
        await verdicts.append(tx, replace(verdict("old"), judged_at=utc_now() - timedelta(days=366)))


async def records(database: Database) -> list[AuditRecord]:
    async with database.snapshot() as tx:
        newest = await audit.newest(tx, limit=10)
    cleared = (Event.RECORDS_FORGOTTEN, Event.BLOBS_COLLECTED)
    return [record for _, record in reversed(newest) if record.event in cleared]


async def test_what_is_collected_is_on_record_with_who_did_it(database: Database, tmp_path: Path) -> None:
    await leave_garbage(database, tmp_path / "content")
    content = FilesystemContent(tmp_path / "content")
    for expected in (Cleared(COLLECTED, FORGOTTEN), Cleared(Collected(), Forgotten())):
        now = utc_now()
        assert await preview(database, content, Settings(), now) == expected
        assert await clear_and_record(database, content, Settings(), now, ADMIN) == expected
    forgotten, collected = await records(database)  # none of the second time, when there was nothing
    assert (forgotten.actor, forgotten.address, forgotten.outcome) == ("admin", "host", "forgotten")
    assert forgotten.detail == of_records(FORGOTTEN)
    assert (collected.actor, collected.address, collected.outcome) == ("admin", "host", "collected")
    assert collected.detail == of_blobs(COLLECTED)


@pytest.mark.parametrize(("days", "stays"), [(365, False), (400, True), (0, True)])
async def test_verdicts_stay_as_long_as_the_settings_say(
    database: Database, tmp_path: Path, days: int, stays: bool
) -> None:
    await leave_garbage(database, tmp_path / "content")
    settings = Settings(records={"keep_days": days})
    await clear_and_record(database, FilesystemContent(tmp_path / "content"), settings, utc_now(), ADMIN)
    async with database.snapshot() as tx:
        assert (await verdicts.get(tx, "old") is not None) is stays


async def test_a_running_gate_collects_by_itself(tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path / "state", inspection={"workers": 1}, listen={"port": 0})
    make_state_folder(settings.state_dir)
    before = await Database.open(settings.database)
    await leave_garbage(before, settings.content_path)
    await before.close()
    async with running(settings) as services:
        for _ in range(600):
            if len(found := await records(services.database)) == 2:
                break
            await asyncio.sleep(0.1)
        assert [record.actor for record in found] == ["imagegate", "imagegate"]
