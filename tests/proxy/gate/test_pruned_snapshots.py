"""Old advisory snapshots are removed, but for those that verdicts in force were made of."""

import os
from datetime import timedelta
from pathlib import Path

import pytest

from proxy.errors import DeniedError
from proxy.feeds.importer import import_path
from proxy.feeds.pruning import prune, prune_and_record, sentence
from proxy.identity.administrator import Administrator
from scanning.oci.names import Tag
from storage.audit import Event
from storage.errors import SnapshotError
from storage.snapshots import Pruned
from tests.images import debian, image
from tests.proxy.gate.world import REFUSE_FINDINGS, World, policy_text
from tests.scanning.advisories.records import advisory, affected, fixed

pytestmark = pytest.mark.asyncio(loop_scope="session")

WEEK = timedelta(days=7)
OPENSSL = advisory("DSA-1-1", affected("Debian:12", "openssl", fixed("3.0.16-1")))
CURL = advisory("DSA-2-1", affected("Debian:12", "curl", fixed("9")))
VULNERABLE = image(debian(("openssl", "3.0.15-1")))
HARMLESS = image(debian(("bash", "5.2-1")))


async def a_week_later(world: World, folder: Path) -> None:
    """The files that are there are as old as the clock of the test says."""
    for path in (folder / "advisories" / "data").iterdir():
        os.utime(path, (world.time.now().timestamp(),) * 2)
    await world.wait(WEEK.total_seconds() + 1)


async def test_a_verdict_in_force_can_be_made_again_and_one_that_was_replaced_says_why_not(
    small_world: World, tmp_path: Path
) -> None:
    world = small_world
    await world.change_policy(policy_text(deny=REFUSE_FINDINGS))
    first = await world.publish_advisories(CURL)
    await world.push(VULNERABLE, Tag("app"))
    await world.push(HARMLESS, Tag("tool"))
    admitted = await world.verdict(VULNERABLE.digest)
    await a_week_later(world, tmp_path)
    await world.publish_advisories(CURL, OPENSSL)
    assert await prune(world.database, world.snapshots, 7, world.time.now()) == Pruned()

    for tag, is_admitted in (("app", False), ("tool", True)):
        assert await served(world, tag) is is_admitted
    pruned = await prune_and_record(
        world.database, world.snapshots, 7, world.time.now(), Administrator("alice", "console")
    )

    assert (pruned.snapshots, pruned.files) == (1, 1)
    record = next(record for record in await world.audited() if record.outcome == "pruned")
    assert (record.event, record.actor, record.detail) == (Event.FEEDS_CHANGED, "alice", sentence(pruned))
    refused = await world.verdict(VULNERABLE.digest)
    assert await world.replay.again(refused) == refused
    with pytest.raises(SnapshotError, match=rf"{first.digest} is not kept here: it was pruned \(feeds\.keep_days"):
        await world.replay.again(admitted)


async def served(world: World, tag: str) -> bool:
    try:
        await world.pull(Tag(tag))
    except DeniedError:
        return False
    return True


async def test_of_what_is_gone_only_records_remain(small_world: World, tmp_path: Path) -> None:
    """A manifest that was deleted has no verdict in force, whatever the last one names."""
    world = small_world
    await world.publish_advisories(CURL)
    await world.push(HARMLESS)
    await world.delete(HARMLESS.digest)
    await a_week_later(world, tmp_path)
    await world.publish_advisories(CURL, OPENSSL)

    assert (await prune(world.database, world.snapshots, 7, world.time.now())).snapshots == 1


@pytest.mark.real
async def test_real_advisories_are_pruned_file_by_file(small_world: World, tmp_path: Path, testdata: Path) -> None:
    world = small_world
    import_path(testdata / "osv", world.snapshots, world.time.now(), ecosystem="Go")
    await a_week_later(world, tmp_path)
    for _ in range(2):
        await world.publish_advisories(CURL)
    held = sum(path.stat().st_size for path in (tmp_path / "advisories" / "data").iterdir())

    pruned = await prune(world.database, world.snapshots, 7, world.time.now())

    assert (pruned.snapshots, pruned.files) == (1, 0), "what the new snapshots took over stays"
    current = world.snapshots.current()
    assert current is not None
    assert sum(feed.size for feed in current.every) == held
    assert current.lookup([("Go", "stdlib")])
