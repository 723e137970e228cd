"""The embedded registry's index."""

import asyncio

import pytest

from scanning.oci.media_types import DOCKER_MANIFEST, OCI_MANIFEST
from scanning.oci.names import Tag
from storage import registry
from storage.database import Database
from storage.errors import StorageUnavailableError
from tests.storage.values import APP, OTHER, digest


async def test_blobs_are_linked_per_repository(database: Database) -> None:
    async with database.transaction() as tx:
        await registry.link_blob(tx, APP, digest("blob"), 1 << 40)
        await registry.link_blob(tx, APP, digest("blob"), 1 << 40)
        await registry.link_blob(tx, OTHER, digest("blob"), 1 << 40)

        assert await registry.blob_size(tx, APP, digest("blob")) == 1 << 40
        assert await registry.blob_size(tx, APP, digest("another")) is None
        assert await registry.unlink_blob(tx, APP, digest("blob")) is True
        assert await registry.unlink_blob(tx, APP, digest("blob")) is False
        assert await registry.blob_size(tx, APP, digest("blob")) is None
        assert await registry.blob_is_linked(tx, digest("blob")) is True
        assert await registry.unlink_blob(tx, OTHER, digest("blob")) is True
        assert await registry.blob_is_linked(tx, digest("blob")) is False


async def test_who_links_a_blob_waits_for_who_unlinks_it(database_url: str) -> None:
    first, second = await Database.open(database_url), await Database.open(database_url)
    async with first.transaction() as tx:
        await registry.link_blob(tx, APP, digest("blob"), 4)
    order = []

    async def link() -> None:
        async with second.transaction() as tx:
            await registry.link_blob(tx, OTHER, digest("blob"), 4)
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
        assert await registry.delete_manifest(tx, APP, digest("image")) is True
        assert await registry.delete_manifest(tx, APP, digest("image")) is False
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
        await registry.delete_manifest(tx, APP, digest("old"))
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
