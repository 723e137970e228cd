"""Old advisory data is removed by command, after each update, and by a gate that refreshes its feeds."""

import asyncio
import os
from datetime import timedelta
from pathlib import Path

import pytest

from config.settings import Settings
from proxy.clock import utc_now
from proxy.running import running
from storage import audit
from storage.audit import Event
from storage.database import Database
from storage.snapshot import Snapshot
from storage.snapshots import Snapshots
from tests.proxy.feeds.feed_server import FeedServer, archive, serving
from tests.proxy.feeds.test_commands import run
from tests.scanning.advisories.records import advisory, affected, fixed, record

NEW = archive({"a.json": record("DSA-2-1", affected("Debian:12", "x", fixed("3")))})


@pytest.fixture
def old(tmp_path: Path) -> Snapshot:
    """A snapshot of ten days ago, in force until another one comes."""
    folder, then = tmp_path / "state" / "advisories", utc_now() - timedelta(days=10)
    snapshots = Snapshots(folder)
    published = snapshots.publish(
        [snapshots.stage("Debian", [advisory("DSA-1-1", affected("Debian:12", "x", fixed("2")))], then)], then
    )
    for path in (folder / "data").iterdir():
        os.utime(path, (then.timestamp(),) * 2)
    return published


def is_there(snapshot: Snapshot) -> bool:
    return (snapshot.folder / f"{snapshot.feeds[0].data.hex}.sqlite").exists()


def test_by_command_and_first_only_told(tmp_path: Path, old: Snapshot) -> None:
    (tmp_path / "osv" / "Debian").mkdir(parents=True)
    (tmp_path / "osv" / "Debian" / "all.zip").write_bytes(NEW)
    state = tmp_path / "state"
    asyncio.run(_first_start(state))
    assert "Removed: 0 snapshots; 0 files, 0 bytes." in run(state, "prune").output
    assert run(state, "import", str(tmp_path / "osv")).exit_code == 0

    told = run(state, "prune", "--dry-run").output
    assert is_there(old)
    kept = run(state, "prune", "--keep-days", "11").output
    assert is_there(old)
    done = run(state, "prune").output

    what = f"1 snapshot; 1 file, {old.feeds[0].size:,} bytes."
    assert told == f"Would remove: {what} Nothing was changed.\n"
    assert kept == "Removed: 0 snapshots; 0 files, 0 bytes.\n"
    assert done == f"Removed: {what}\n"
    assert not is_there(old)


async def _first_start(state: Path) -> None:
    """What a gate makes when it is first started."""
    await (await Database.open(Settings(state_dir=state).database)).close()


async def test_after_an_update(tmp_path: Path, old: Snapshot) -> None:
    async with serving(FeedServer({"Debian": NEW})) as url:
        updated = await asyncio.to_thread(
            run, tmp_path / "state", "update", "--from", url, "--ecosystem", "Debian", "--force"
        )

    assert updated.exit_code == 0, updated.output
    assert updated.output.startswith("Old data removed: 1 snapshot; 1 file")
    assert not is_there(old)


async def test_by_a_gate_that_refreshes_its_feeds(tmp_path: Path, old: Snapshot) -> None:
    async with serving(FeedServer({"Debian": NEW})) as url:
        settings = Settings(
            state_dir=tmp_path / "state",
            inspection={"workers": 1},
            listen={"port": 0},
            feeds={
                "url": url,
                "ecosystems": "Debian",
                "kev_url": "",
                "epss_url": "",
                "end_of_life_url": "",
                "refresh_hours": 1,
            },
        )
        async with running(settings) as services, asyncio.timeout(60):
            while True:
                async with services.database.snapshot() as tx:
                    newest = await audit.newest(tx, event=Event.FEEDS_CHANGED, limit=10)
                if len(newest) == 2:
                    break
                await asyncio.sleep(0.1)

    pruned, refreshed = (found for _, found in newest)
    assert (pruned.outcome, pruned.actor, refreshed.outcome) == ("pruned", "imagegate", "done")
    assert not is_there(old)
