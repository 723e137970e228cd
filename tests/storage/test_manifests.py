"""Manifests, their edges, and the tags that wait for them."""

from dataclasses import replace

import pytest

from scanning.oci.digest import Digest
from scanning.oci.manifest import ManifestKind
from scanning.oci.names import Tag
from storage import documents, held_tags, manifests
from storage.database import Database, Transaction
from storage.manifest_record import ManifestRecord
from tests.storage.values import APP, LATER, NOW, OTHER, digest, image, index


async def _record(tx: Transaction, word: str = "image", *, held: bool = False) -> None:
    await manifests.record(tx, APP, image(word, "layer"), b"{}", held=held, facts=None, now=NOW)


async def test_a_manifest_is_found_in_its_repository_only(database: Database) -> None:
    async with database.transaction() as tx:
        facts = await documents.put(tx, b"facts")
        manifest = image("signature", "layer", subject="image")
        await manifests.record(tx, APP, manifest, b"{ }", held=True, facts=facts, now=NOW)

    async with database.snapshot() as tx:
        assert await manifests.find(tx, APP, manifest.digest) == ManifestRecord(
            repository=APP,
            digest=manifest.digest,
            media_type=manifest.media_type,
            kind=ManifestKind.IMAGE,
            body=b"{ }",
            held=True,
            subject=digest("image"),
            artifact_type="application/x.test",
            facts=facts,
            first_seen=NOW,
        )
        assert await manifests.find(tx, OTHER, manifest.digest) is None


async def test_recording_again_keeps_what_is_known(database: Database) -> None:
    async with database.transaction() as tx:
        facts = await documents.put(tx, b"facts")
        await manifests.record(tx, APP, image("image"), b"{}", held=False, facts=facts, now=NOW)
        first = await manifests.find(tx, APP, digest("image"))
        await manifests.record(tx, APP, image("image"), b"{}", held=False, facts=None, now=LATER)

    async with database.snapshot() as tx:
        assert await manifests.find(tx, APP, digest("image")) == first


@pytest.mark.parametrize(("first", "then", "held"), [(True, True, True), (True, False, False), (False, True, False)])
async def test_what_was_released_is_never_held_again(database: Database, first: bool, then: bool, held: bool) -> None:
    async with database.transaction() as tx:
        await _record(tx, held=first)
        await _record(tx, held=then)

    async with database.snapshot() as tx:
        found = await manifests.find(tx, APP, digest("image"))
        assert found is not None
        assert found.held is held


async def test_held_manifests_are_listed_until_they_are_released(database: Database) -> None:
    async with database.transaction() as tx:
        await _record(tx, "free")
        await _record(tx, "held", held=True)
        await manifests.record(tx, OTHER, image("held"), b"{}", held=True, facts=None, now=NOW)
        assert await manifests.held(tx) == ((APP, digest("held")), (OTHER, digest("held")))

        await _record(tx, "held")
        assert await manifests.held(tx) == ((OTHER, digest("held")),)


async def test_the_edges_of_manifests_are_followed_upwards(database: Database) -> None:
    async with database.transaction() as tx:
        for manifest in (image("one", "base", "top"), image("two", "base"), index("both", "one", "two", "two")):
            await manifests.record(tx, APP, manifest, b"{}", held=False, facts=None, now=NOW)
            await manifests.record(tx, APP, manifest, b"{}", held=False, facts=None, now=NOW)
        await manifests.record(tx, OTHER, image("one", "base"), b"{}", held=False, facts=None, now=NOW)

    async with database.snapshot() as tx:
        assert await manifests.holders(tx, APP, digest("base")) == tuple(sorted((digest("one"), digest("two"))))
        assert await manifests.holders(tx, APP, digest("top")) == (digest("one"),)
        assert await manifests.holders(tx, APP, digest("config")) == tuple(sorted((digest("one"), digest("two"))))
        assert await manifests.holders(tx, OTHER, digest("top")) == ()
        assert await manifests.parents(tx, APP, digest("one")) == (digest("both"),)
        assert await manifests.parents(tx, APP, digest("two")) == (digest("both"),)
        assert await manifests.parents(tx, OTHER, digest("one")) == ()
        assert await manifests.repositories(tx) == (APP, OTHER)


async def test_what_a_digest_that_was_cut_may_be(database: Database) -> None:
    whole = Digest.of(b"image", "sha512")
    near = Digest("sha512", whole.hex[:64] + "0" * 64)
    others = (Digest.of(b"another", "sha512"), digest("image"))
    async with database.transaction() as tx:
        for named in (whole, near, *others):
            manifest = replace(image("image"), digest=named)
            await manifests.record(tx, APP, manifest, b"{}", held=False, facts=None, now=NOW)

    async with database.snapshot() as tx:
        cut = str(whole)[: len("sha512:") + 64]
        assert await manifests.beginning_with(tx, APP, cut) == tuple(sorted((whole, near)))
        assert await manifests.beginning_with(tx, OTHER, cut) == ()
        assert await manifests.beginning_with(tx, OTHER, str(digest("image"))) == (digest("image"),)


async def test_signatures_are_told_from_what_else_has_their_blobs(database: Database) -> None:
    signature = replace(image("signature", "payload", "base"), kind=ManifestKind.SIGNATURE)
    async with database.transaction() as tx:
        for manifest in (signature, image("one", "base")):
            await manifests.record(tx, APP, manifest, b"{}", held=False, facts=None, now=NOW)
        await manifests.record(tx, OTHER, image("signature", "payload"), b"{}", held=False, facts=None, now=NOW)

    async with database.snapshot() as tx:
        assert await manifests.signatures_made_of(tx, APP, digest("base")) == (signature.digest,)
        assert await manifests.signatures_made_of(tx, OTHER, digest("payload")) == ()


async def test_an_image_with_a_great_many_layers_is_recorded(database: Database) -> None:
    async with database.transaction() as tx:
        manifest = image("image", *map(str, range(4096)))
        await manifests.record(tx, APP, manifest, b"{}", held=False, facts=None, now=NOW)

        assert await manifests.holders(tx, APP, digest("4095")) == (digest("image"),)


async def test_referrers_come_in_the_order_of_their_digests(database: Database) -> None:
    async with database.transaction() as tx:
        for word in ("signature", "attestation", "sbom"):
            manifest = image(word, subject="image")
            await manifests.record(tx, APP, manifest, b"{}", held=False, facts=None, now=NOW)

        found = [record.digest for record in await manifests.referrers(tx, APP, digest("image"))]
        assert found == sorted(digest(word) for word in ("signature", "attestation", "sbom"))
        assert await manifests.referrers(tx, OTHER, digest("image")) == ()


async def test_a_forgotten_manifest_leaves_neither_edges_nor_tags(database: Database) -> None:
    async with database.transaction() as tx:
        await _record(tx, held=True)
        await manifests.record(tx, APP, index("index", "image"), b"{}", held=True, facts=None, now=NOW)
        await held_tags.hold(tx, APP, Tag("1.0"), digest("image"), NOW)

        assert await manifests.forget(tx, APP, digest("image")) is True
        assert await manifests.forget(tx, APP, digest("image")) is False
        assert await manifests.holders(tx, APP, digest("layer")) == ()
        assert await held_tags.find(tx, APP, Tag("1.0")) is None
        assert await manifests.parents(tx, APP, digest("image")) == (digest("index"),)


async def test_a_tag_waits_for_one_manifest_at_a_time(database: Database) -> None:
    async with database.transaction() as tx:
        await _record(tx, "old", held=True)
        await _record(tx, "new", held=True)
        for tag in ("b", "a", "Z"):
            await held_tags.hold(tx, APP, Tag(tag), digest("old"), NOW)
        await held_tags.hold(tx, APP, Tag("b"), digest("new"), LATER)

        assert await held_tags.find(tx, APP, Tag("b")) == digest("new")
        assert await held_tags.find(tx, OTHER, Tag("b")) is None
        assert await held_tags.of(tx, APP, digest("old")) == (Tag("Z"), Tag("a"))
        assert await held_tags.of_repository(tx, APP) == (Tag("Z"), Tag("a"), Tag("b"))

        await held_tags.drop(tx, APP, Tag("b"))
        await held_tags.drop(tx, APP, Tag("b"))
        assert await held_tags.of_repository(tx, APP) == (Tag("Z"), Tag("a"))
