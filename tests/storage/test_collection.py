"""Garbage collection: what goes, what stays, and that no push ever notices."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from scanning.oci.digest import Digest
from scanning.oci.media_types import OCI_MANIFEST
from scanning.oci.names import Repository
from storage import manifests, registry
from storage.collection import Collected, collect, preview
from storage.content.filesystem import FilesystemContent
from storage.database import Database
from tests.storage.values import APP, OTHER, digest, image

NOW = datetime.now(UTC)
OLD = NOW - timedelta(days=2)
BEFORE = NOW - timedelta(days=1)


class Store:
    """A content store and the registry's index over it."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self.content = FilesystemContent(folder)

    async def publish(self, word: str, at: datetime = OLD) -> Digest:
        """Put bytes there that nobody links."""
        staging = await self.content.begin()
        await self.content.append(staging, word.encode())
        await self.content.commit(staging, digest(word))
        path = self.content.path(digest(word))
        assert path is not None
        os.utime(path, times=(at.timestamp(), at.timestamp()))
        return digest(word)

    async def hold(self, repository: Repository, word: str, used_at: datetime = OLD) -> None:
        """Let a repository hold a blob."""
        async with self.database.transaction() as tx:
            await registry.link_blob(tx, repository, digest(word), len(word), used_at)

    async def name(self, repository: Repository, word: str) -> None:
        """Let a manifest of a repository refer to a blob."""
        async with self.database.transaction() as tx:
            await registry.put_manifest(tx, repository, digest("image"), OCI_MANIFEST, b"{}", blobs=[digest(word)])

    async def collect(self) -> Collected:
        """Collect, after looking whether the preview says the same and changes nothing."""
        foreseen = await preview(self.database, self.content, BEFORE)
        assert foreseen == await preview(self.database, self.content, BEFORE)
        assert await collect(self.database, self.content, BEFORE) == foreseen
        assert not await collect(self.database, self.content, BEFORE)
        return foreseen

    async def state(self, word: str) -> tuple[bool, bool]:
        """Whether the first repository holds a blob, and whether its bytes are there."""
        async with self.database.snapshot() as tx:
            linked = await registry.find_blob(tx, APP, digest(word)) is not None
        return linked, await self.content.find(digest(word)) is not None


@pytest.fixture
def store(database: Database, tmp_path: Path) -> Store:
    """An empty one on each database."""
    return Store(database, tmp_path / "content")


async def test_a_blob_that_nothing_refers_to_goes_with_its_bytes(store: Store) -> None:
    await store.publish("blob")
    await store.hold(APP, "blob")
    assert await store.collect() == Collected(repositories=1, unlinked=1, removed=1, removed_bytes=4)
    assert await store.state("blob") == (False, False)


async def test_a_blob_that_a_manifest_refers_to_stays(store: Store) -> None:
    await store.publish("blob")
    await store.hold(APP, "blob")
    await store.name(APP, "blob")
    assert await store.collect() == Collected()
    assert await store.state("blob") == (True, True)


async def test_a_blob_of_an_image_in_quarantine_stays(store: Store) -> None:
    await store.publish("layer")
    await store.hold(APP, "layer")
    async with store.database.transaction() as tx:
        await manifests.record(tx, APP, image("held", "layer"), b"{}", held=True, facts=None, now=OLD)
    assert await store.collect() == Collected()
    assert await store.state("layer") == (True, True)


async def test_bytes_that_another_repository_needs_stay(store: Store) -> None:
    await store.publish("blob")
    await store.hold(APP, "blob")
    await store.hold(OTHER, "blob")
    await store.name(OTHER, "blob")
    assert await store.collect() == Collected(repositories=1, unlinked=1)
    assert await store.state("blob") == (False, True)


async def test_a_blob_that_was_counted_on_lately_stays(store: Store) -> None:
    await store.publish("blob")
    await store.hold(APP, "blob", used_at=NOW)
    assert await store.collect() == Collected()
    assert await store.state("blob") == (True, True)


async def test_bytes_that_a_crash_left_linked_nowhere_go(store: Store) -> None:
    await store.publish("blob")
    assert await store.collect() == Collected(removed=1, removed_bytes=4)


async def test_bytes_that_were_published_lately_stay_though_nothing_links_them_yet(store: Store) -> None:
    await store.publish("blob", at=NOW)
    assert await store.collect() == Collected()
    assert await store.state("blob") == (False, True)


@pytest.mark.parametrize("revived", ["linked", "published"])
async def test_bytes_that_somebody_takes_up_after_they_were_listed_stay(
    store: Store, monkeypatch: pytest.MonkeyPatch, revived: str
) -> None:
    await store.publish("blob")
    lock = registry.lock_blob

    async def late(tx: object, _: Digest) -> None:
        """What another process does just before the bytes would be removed."""
        if revived == "published":
            await store.publish("blob", at=NOW)
        else:
            await registry.link_blob(tx, APP, digest("blob"), 4, NOW)  # type: ignore[arg-type]

    async def first_late(tx: object, blob: Digest) -> None:
        monkeypatch.setattr(registry, "lock_blob", lock)
        await late(tx, blob)

    monkeypatch.setattr(registry, "lock_blob", first_late)
    assert await collect(store.database, store.content, BEFORE) == Collected()
    assert await store.state("blob") == (revived == "linked", True)


async def test_many_more_than_are_looked_at_at_once_are_collected(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.collection._AT_ONCE", 3)
    for number in range(10):
        await store.publish(f"blob {number}")
    await store.hold(APP, "blob 4", used_at=NOW)
    assert (await store.collect()).removed == 9
