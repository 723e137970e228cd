"""The embedded registry's index."""

import asyncio
from datetime import timedelta

import pytest

from scanning.oci.media_types import DOCKER_MANIFEST, OCI_MANIFEST
from scanning.oci.names import Tag
from storage import manifests, registry
from storage.database import Database
from storage.errors import StorageUnavailableError
from storage.registry import LinkedBlob
from tests.storage.values import APP, LATER, NOW, OTHER, digest, image


async def test_blobs_are_linked_per_repository(database: Database) -> None:
    async with database.transaction() as tx:
        await registry.link_blob(tx, APP, digest("blob"), 1 << 40, NOW)
        await registry.link_blob(tx, APP, digest("blob"), 1 << 40, NOW)
        await registry.link_blob(tx, OTHER, digest("blob"), 1 << 40, NOW)

        assert await registry.find_blob(tx, APP, digest("blob")) == LinkedBlob(APP, digest("blob"), 1 << 40, NOW)
        assert await registry.find_blob(tx, APP, digest("another")) is None
        assert await registry.unlink_blob(tx, APP, digest("blob")) is True
        assert await registry.unlink_blob(tx, APP, digest("blob")) is False
        assert await registry.find_blob(tx, APP, digest("blob")) is None
        assert await registry.blob_is_linked(tx, digest("blob")) is True
        assert await registry.unlink_blob(tx, OTHER, digest("blob")) is True
        assert await registry.blob_is_linked(tx, digest("blob")) is False


async def test_who_links_a_blob_waits_for_who_unlinks_it(database_url: str) -> None:
    first, second = await Database.open(database_url), await Database.open(database_url)
    async with first.transaction() as tx:
        await registry.link_blob(tx, APP, digest("blob"), 4, NOW)
    order = []

    async def link() -> None:
        async with second.transaction() as tx:
            await registry.link_blob(tx, OTHER, digest("blob"), 4, NOW)
            order.append("linked")

    async with first.transaction() as tx:
        await registry.unlink_blob(tx, APP, digest("blob"))
        linking = asyncio.create_task(link())
        await asyncio.wait([linking], timeout=0.2)  # time enough, were it not kept waiting
        assert await registry.blob_is_linked(tx, digest("blob")) is False
        order.append("deleted")
    await linking

    assert order == ["deleted", "linked"]
    await first.close()
    await second.close()


async def test_manifests_are_kept_per_repository_with_the_media_type_said_last(database: Database) -> None:
    async with database.transaction() as tx:
        await registry.put_manifest(tx, APP, digest("image"), OCI_MANIFEST, b"{}")
        await registry.put_manifest(tx, APP, digest("image"), DOCKER_MANIFEST, b"{}")

        assert await registry.get_manifest(tx, APP, digest("image")) == (DOCKER_MANIFEST, b"{}")
        assert await registry.get_manifest(tx, OTHER, digest("image")) is None
        assert await registry.repositories(tx) == (APP,)
        assert await registry.delete_manifest(tx, APP, digest("image"), NOW) is True
        assert await registry.delete_manifest(tx, APP, digest("image"), NOW) is False
        assert await registry.repositories(tx) == ()


async def test_tags_move_and_go_with_their_manifest(database: Database) -> None:
    async with database.transaction() as tx:
        for word in ("old", "new"):
            await registry.put_manifest(tx, APP, digest(word), OCI_MANIFEST, b"{}")
        for tag in ("b", "a", "Z"):
            await registry.put_tag(tx, APP, Tag(tag), digest("old"))
        await registry.put_tag(tx, APP, Tag("b"), digest("new"))

        assert await registry.tag_digest(tx, APP, Tag("b")) == digest("new")
        assert await registry.tag_digest(tx, OTHER, Tag("b")) is None
        assert await registry.tags(tx, APP) == (Tag("Z"), Tag("a"), Tag("b"))
        assert await registry.delete_tag(tx, APP, Tag("Z")) is True
        assert await registry.delete_tag(tx, APP, Tag("Z")) is False
        await registry.delete_manifest(tx, APP, digest("old"), NOW)
        assert await registry.tags(tx, APP) == (Tag("b"),)


async def test_a_tag_points_at_a_manifest_that_is_there(database: Database) -> None:
    with pytest.raises(StorageUnavailableError):
        async with database.transaction() as tx:
            await registry.put_tag(tx, APP, Tag("1.0"), digest("nothing"))


async def test_referrers_come_in_the_order_of_their_digests(database: Database) -> None:
    words = ("signature", "attestation", "sbom")
    async with database.transaction() as tx:
        for word in words:
            await registry.put_manifest(tx, APP, digest(word), OCI_MANIFEST, word.encode(), subject=digest("image"))

        assert await registry.referrers(tx, APP, digest("image")) == tuple(
            sorted((digest(word), OCI_MANIFEST, word.encode()) for word in words)
        )
        assert await registry.referrers(tx, OTHER, digest("image")) == ()


async def test_a_blob_that_is_linked_again_or_asked_for_is_used_again(database: Database) -> None:
    async with database.transaction() as tx:
        await registry.link_blob(tx, APP, digest("blob"), 4, NOW)
        await registry.link_blob(tx, APP, digest("blob"), 4, LATER)
        assert await registry.find_blob(tx, APP, digest("blob")) == LinkedBlob(APP, digest("blob"), 4, LATER)
        assert await registry.use_blob(tx, APP, digest("blob"), NOW) is True
        assert await registry.find_blob(tx, APP, digest("blob")) == LinkedBlob(APP, digest("blob"), 4, NOW)
        assert await registry.use_blob(tx, OTHER, digest("blob"), NOW) is False


async def test_a_blob_is_unused_when_it_is_old_and_no_manifest_of_its_repository_refers_to_it(
    database: Database,
) -> None:
    words = ("named", "held", "named elsewhere", "young", "unused")
    async with database.transaction() as tx:
        for word in words:
            await registry.link_blob(tx, APP, digest(word), 4, LATER if word == "young" else NOW)
        for repository, word in ((APP, "named"), (OTHER, "named elsewhere")):
            await registry.put_manifest(tx, repository, digest("image"), OCI_MANIFEST, b"{}", blobs=[digest(word)])
        await manifests.record(tx, APP, image("waiting", "held"), b"{}", held=True, facts=None, now=NOW)

        expected = {digest("named elsewhere"), digest("unused")}
        assert {blob.digest for blob in await registry.unused_blobs(tx, LATER)} == expected
        assert await registry.unused_blobs(tx, NOW) == ()
        assert await registry.unlink_unused(tx, OTHER, LATER) == ()
        assert {blob.digest for blob in await registry.unlink_unused(tx, APP, LATER)} == expected
        assert await registry.unlink_unused(tx, APP, LATER) == ()
        kept = [word for word in words if await registry.find_blob(tx, APP, digest(word))]
        assert kept == ["named", "held", "young"]


async def test_what_a_deleted_manifest_referred_to_is_unused_from_then_on(database: Database) -> None:
    async with database.transaction() as tx:
        await registry.link_blob(tx, APP, digest("blob"), 4, NOW)
        for word in ("one", "two"):
            await registry.put_manifest(tx, APP, digest(word), OCI_MANIFEST, b"{}", blobs=[digest("blob")])
        await registry.delete_manifest(tx, APP, digest("one"), NOW)
        assert await registry.unused_blobs(tx, LATER) == ()
        await registry.delete_manifest(tx, APP, digest("two"), LATER)
        assert await registry.unused_blobs(tx, LATER) == ()
        unused = await registry.unused_blobs(tx, LATER + timedelta(seconds=1))
        assert unused == (LinkedBlob(APP, digest("blob"), 4, LATER),)


async def test_who_unlinks_waits_for_who_puts_a_manifest(database_url: str) -> None:
    first, second = await Database.open(database_url), await Database.open(database_url)
    async with first.transaction() as tx:
        await registry.link_blob(tx, APP, digest("blob"), 4, NOW)

    async def unlink() -> tuple[LinkedBlob, ...]:
        async with second.transaction() as tx:
            return await registry.unlink_unused(tx, APP, LATER)

    async with first.transaction() as tx:
        assert await registry.missing_blobs(tx, APP, [digest("blob"), digest("none")]) == (digest("none"),)
        unlinking = asyncio.create_task(unlink())
        await asyncio.wait([unlinking], timeout=0.2)  # time enough, were it not kept waiting
        await registry.put_manifest(tx, APP, digest("image"), OCI_MANIFEST, b"{}", blobs=[digest("blob")])
    assert await unlinking == ()
    await first.close()
    await second.close()


async def test_bytes_are_counted_for_each_repository_that_holds_them(database: Database) -> None:
    async with database.transaction() as tx:
        assert await registry.bytes_held(tx) == {}
        for repository, word, size in ((APP, "a", 1 << 40), (APP, "b", 2), (OTHER, "a", 1 << 40)):
            await registry.link_blob(tx, repository, digest(word), size, NOW)
        assert await registry.bytes_held(tx) == {APP: (1 << 40) + 2, OTHER: 1 << 40}
        assert await registry.link_counts(tx, [digest(word) for word in "abc"]) == {digest("a"): 2, digest("b"): 1}
