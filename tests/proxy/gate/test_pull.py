"""Somebody pulls: who gets what, by tag, by digest, by HEAD, blob by blob; and what nobody has judged yet."""

import asyncio
import json
from contextlib import AbstractAsyncContextManager

import pytest
import pytest_asyncio

from proxy.errors import BlobUnknownError, DeniedError, ManifestUnknownError
from proxy.upstream.port import BlobStream, UpstreamError
from scanning.oci import media_types
from scanning.oci.digest import Digest
from scanning.oci.names import Repository, Tag
from scanning.verdict import Outcome
from tests.images import File, TestImage, debian, image, index
from tests.proxy.gate.conftest import MakeWorld
from tests.proxy.gate.simulated import LyingUpstream, RestlessUpstream
from tests.proxy.gate.world import LATEST, REFUSE_SSH, World, layers_of, policy_text, wants_signature
from tests.simulators import MemoryUpstream

pytestmark = pytest.mark.asyncio(loop_scope="session")

BASE = debian()
SSH = {"usr/bin/ssh": File(b"\x7fELF", 0o755)}
CLEAN = image(BASE)
WITH_SSH = image(BASE, SSH)
OTHER = image(debian(("base-files", "12.4+deb12u9")))
NO_IMAGE = Digest.of(b"nobody has pushed this")


@pytest_asyncio.fixture(loop_scope="session")
async def quarantined(world: World) -> World:
    """CLEAN waits for a signature."""
    await world.change_policy(policy_text(deny=REFUSE_SSH, require=wants_signature()))
    await world.push(CLEAN)
    return world


class TestAdmitted:
    @pytest.mark.parametrize("head", [False, True])
    @pytest.mark.parametrize("reference", [LATEST, CLEAN.digest])
    async def test_everyone_gets_exactly_the_bytes_that_were_judged(
        self, world: World, reference: Tag | Digest, head: bool
    ) -> None:
        await world.push(CLEAN)

        for who in (world.pusher, world.operator):
            stored = await world.pull(reference, who, head=head)
            assert (stored.digest, stored.media_type, stored.body) == (CLEAN.digest, CLEAN.media_type, CLEAN.manifest)

    async def test_every_blob_of_it_can_be_read(self, world: World) -> None:
        await world.push(CLEAN)

        for blob in CLEAN.blobs:
            await world.check_blob(blob)

    async def test_its_blobs_may_be_fetched_elsewhere_where_the_policy_says_so(self, world: World) -> None:
        await world.push(CLEAN)
        assert world.gate.redirects_blobs(world.repository)
        assert all([await world.gate.admits_blob(world.repository, blob) for blob in CLEAN.blobs])

        await world.change_policy(policy_text(redirect_blobs=False))

        assert not world.gate.redirects_blobs(world.repository)

    async def test_a_repository_that_no_rule_covers_has_nothing_fetched_elsewhere(self, world: World) -> None:
        await world.change_policy(policy_text(repositories=["another/**"]))
        assert not world.gate.redirects_blobs(world.repository)

    async def test_what_is_in_an_index_can_be_pulled_as_well(self, world: World) -> None:
        both = index(CLEAN, image(BASE, architecture="arm64"))
        await world.push(both)

        for manifest in (both, *both.children):
            assert (await world.pull(manifest.digest)).body == manifest.manifest
            for blob in manifest.blobs:
                await world.check_blob(blob)


class TestQuarantined:
    @pytest.mark.parametrize("head", [False, True])
    @pytest.mark.parametrize("reference", [LATEST, CLEAN.digest])
    async def test_a_pusher_reads_it_so_that_it_can_be_signed(
        self, quarantined: World, reference: Tag | Digest, head: bool
    ) -> None:
        assert (await quarantined.pull(reference, quarantined.pusher, head=head)).body == CLEAN.manifest

    @pytest.mark.parametrize("head", [False, True])
    @pytest.mark.parametrize("reference", [LATEST, CLEAN.digest])
    async def test_t36_nobody_else_does_whether_by_get_or_by_head(
        self, quarantined: World, reference: Tag | Digest, head: bool
    ) -> None:
        with pytest.raises(DeniedError, match=r"is in quarantine, only pushers can pull it: .*require\.signatures"):
            await quarantined.pull(reference, head=head)

    async def test_t35_its_blobs_are_for_pushers_only(self, quarantined: World) -> None:
        for blob in CLEAN.blobs:
            await quarantined.check_blob(blob, quarantined.pusher)
            assert not await quarantined.gate.admits_blob(quarantined.repository, blob)
            with pytest.raises(DeniedError, match=f"blob {blob} of {quarantined.repository} belongs to no admitted"):
                await quarantined.check_blob(blob)

    async def test_until_it_is_admitted_others_get_what_the_tag_meant_before(self, world: World) -> None:
        await world.push(OTHER)
        await world.change_policy(
            policy_text(
                deny={"packages": {"purls": ["pkg:deb/debian/base-files@12.4+deb12u11"], "effect": "quarantine"}}
            )
        )

        await world.push(CLEAN)

        assert (await world.pull()).digest == OTHER.digest
        assert (await world.pull(who=world.pusher)).digest == CLEAN.digest

    async def test_it_is_not_in_any_other_repository(self, quarantined: World) -> None:
        with pytest.raises(ManifestUnknownError):
            await quarantined.gate.pull_manifest(
                quarantined.pusher, type(quarantined.repository)("elsewhere"), CLEAN.digest, head=False
            )

    async def test_pushers_see_its_tag_and_others_do_not(self, quarantined: World) -> None:
        gate, repository = quarantined.gate, quarantined.repository
        await quarantined.change_policy(policy_text())
        await quarantined.push(OTHER, Tag("other"))
        await quarantined.change_policy(policy_text(require=wants_signature()))
        await quarantined.push(CLEAN, Tag("waiting"))

        assert Tag("waiting") in await gate.tags(quarantined.pusher, repository)
        assert Tag("waiting") not in await gate.tags(quarantined.operator, repository)
        assert Tag("other") in await gate.tags(quarantined.operator, repository)

    async def test_pulling_an_index_does_not_let_go_of_what_is_held(self, world: World) -> None:
        await world.change_policy(policy_text(require=wants_signature()))
        await world.push(CLEAN)
        both = index(CLEAN, OTHER)
        await world.put_behind(OTHER, OTHER.digest)
        await world.upstream.put_manifest(world.repository, CLEAN.digest, CLEAN.media_type, CLEAN.manifest)
        await world.upstream.put_manifest(world.repository, Tag("both"), both.media_type, both.manifest)
        await world.upstream.delete_manifest(world.repository, CLEAN.digest)

        with pytest.raises(DeniedError):
            await world.pull(Tag("both"))

        assert (await world.pull(CLEAN.digest, world.pusher)).body == CLEAN.manifest


class TestUnknown:
    @pytest.mark.parametrize("reference", [Tag("nothing"), NO_IMAGE])
    async def test_what_nobody_has_is_not_there(self, world: World, reference: Tag | Digest) -> None:
        await world.push(CLEAN)

        for who in (world.pusher, world.operator):
            with pytest.raises(ManifestUnknownError):
                await world.pull(reference, who)

    async def test_a_blob_nobody_refers_to_is_not_there(self, world: World) -> None:
        await world.upload(CLEAN)

        for blob in CLEAN.blobs:
            with pytest.raises(BlobUnknownError, match="pull the manifest first"):
                await world.check_blob(blob)


class TestPastTheGate:
    """What somebody put on the upstream without the gate."""

    @pytest.mark.parametrize("head", [False, True])
    async def test_t47_it_is_judged_when_it_is_first_asked_for(self, world: World, head: bool) -> None:
        await world.put_behind(CLEAN)

        assert (await world.pull(head=head)).body == CLEAN.manifest

        assert world.pool.begun == 1
        assert (await world.verdict(CLEAN.digest)).outcome is Outcome.ADMIT

    @pytest.mark.parametrize("head", [False, True])
    async def test_t47_t36_what_is_refused_then_is_never_served(self, world: World, head: bool) -> None:
        await world.put_behind(WITH_SSH)

        for reference in (LATEST, WITH_SSH.digest):
            with pytest.raises(DeniedError, match=r"ssh in usr/bin/ssh of layer .*: .*\[deny\.tools\]"):
                await world.pull(reference, head=head)

    async def test_pushers_are_told_by_head_that_it_is_there_and_do_not_get_it_either(self, world: World) -> None:
        await world.put_behind(WITH_SSH)

        assert (await world.pull(who=world.pusher, head=True)).digest == WITH_SSH.digest
        with pytest.raises(DeniedError):
            await world.pull(who=world.pusher)

    async def test_t35_no_blob_is_served_before_its_manifest_was_judged(self, world: World) -> None:
        await world.put_behind(CLEAN)
        (layer,) = layers_of(CLEAN)
        with pytest.raises(BlobUnknownError):
            await world.check_blob(layer)

        await world.pull()

        await world.check_blob(layer)

    async def test_t35_blobs_of_a_refused_image_are_refused_but_for_those_an_admitted_one_has_too(
        self, world: World
    ) -> None:
        await world.put_behind(WITH_SSH)
        with pytest.raises(DeniedError):
            await world.pull()
        shared, bad = layers_of(WITH_SSH)
        for blob in WITH_SSH.blobs:
            with pytest.raises(DeniedError):
                await world.check_blob(blob)

        await world.push(CLEAN, Tag("clean"))

        await world.check_blob(shared)
        with pytest.raises(DeniedError):
            await world.check_blob(bad)

    async def test_t34_a_manifest_uploaded_as_a_blob_is_judged_like_any_other(self, world: World) -> None:
        """docker-registry serves it under /manifests/ then; the embedded registry does not."""
        await world.upload(WITH_SSH)
        await world.upload(TestImage(b"", "", {WITH_SSH.digest: WITH_SSH.manifest}))

        with pytest.raises((DeniedError, ManifestUnknownError)) as refused:
            await world.pull(WITH_SSH.digest)

        served_behind = await world.behind(WITH_SSH.digest) is not None
        assert isinstance(refused.value, DeniedError) is served_behind

    async def test_t46_an_archive_dressed_as_a_signature_is_refused(self, world: World) -> None:
        document = json.loads(WITH_SSH.manifest)
        for layer in document["layers"]:
            layer["mediaType"] = media_types.COSIGN_SIMPLE_SIGNING
        await world.put_behind(TestImage(json.dumps(document).encode(), WITH_SSH.media_type, WITH_SSH.blobs))

        with pytest.raises(DeniedError, match="a runtime could unpack it"):
            await world.pull()

    @pytest.mark.parametrize("part", ["config", "layers"])
    async def test_t45_a_wrong_size_is_refused(self, make_world: MakeWorld, part: str) -> None:
        world = make_world(MemoryUpstream())
        document = json.loads(CLEAN.manifest)
        (document["config"] if part == "config" else document["layers"][0])["size"] -= 1
        await world.put_behind(TestImage(json.dumps(document).encode(), CLEAN.media_type, CLEAN.blobs))

        with pytest.raises(DeniedError, match="bytes"):
            await world.pull()

    @pytest.mark.parametrize(
        "body",
        [
            CLEAN.manifest.replace(b'"layers"', b'"Layers": [], "layers"'),
            CLEAN.manifest.replace(b'"layers"', b'"layers": [], "layers"'),
            b"[" * 2000 + b"]" * 2000,
            b'{"schemaVersion": 1, "fsLayers": []}',
            b"\xff",
        ],
        ids=["t39 folded keys", "t41 the same key twice", "t40 too deep", "t38 schema 1", "t40 no UTF-8"],
    )
    async def test_a_manifest_that_cannot_be_read_in_one_way_only_is_refused(
        self, make_world: MakeWorld, body: bytes
    ) -> None:
        world = make_world(MemoryUpstream())
        await world.put_behind(TestImage(body, CLEAN.media_type, CLEAN.blobs))

        with pytest.raises(DeniedError, match="its manifest cannot be read in one way only"):
            await world.pull()

    async def test_an_image_whose_layer_is_gone_is_refused(self, make_world: MakeWorld) -> None:
        world = make_world(MemoryUpstream())
        await world.put_behind(CLEAN)
        await world.upstream.delete_blob(world.repository, layers_of(CLEAN)[0])

        with pytest.raises(DeniedError, match="cannot be inspected: layer"):
            await world.pull()

    async def test_one_image_that_is_gone_does_not_keep_a_blob_from_those_who_have_another(
        self, make_world: MakeWorld
    ) -> None:
        world = make_world(MemoryUpstream())
        twins = sorted((image(BASE, {"a": b""}), image(BASE, {"b": b""})), key=lambda twin: twin.digest)
        for number, twin in enumerate(twins):
            await world.push(twin, Tag(f"twin-{number}"))
        shared = layers_of(twins[0])[0]
        await world.upstream.delete_blob(world.repository, next(iter(twins[0].blobs)))
        async with world.database.transaction() as tx:  # its facts must be made anew, which needs the configuration
            await tx.exec_driver_sql("UPDATE manifests SET facts = NULL")
        await world.change_policy(policy_text())

        await world.check_blob(shared)

    async def test_a_sparse_index_lists_what_cannot_be_pulled(self, make_world: MakeWorld) -> None:
        world = make_world(MemoryUpstream())
        both = index(CLEAN, WITH_SSH)
        await world.put_behind(CLEAN, CLEAN.digest)
        await world.upstream.put_manifest(world.repository, LATEST, both.media_type, both.manifest)
        assert (await world.pull()).body == both.manifest

        await world.put_behind(WITH_SSH, WITH_SSH.digest)

        with pytest.raises(DeniedError):
            await world.pull(WITH_SSH.digest)


class TestTogether:
    async def test_t47_many_pull_it_at_once_and_it_is_inspected_once(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await world.put_behind(CLEAN)
        opened: list[Digest] = []
        open_blob = world.upstream.open_blob

        def open_and_count(
            repository: Repository, digest: Digest, *span: int
        ) -> AbstractAsyncContextManager[BlobStream | None]:
            opened.append(digest)
            return open_blob(repository, digest, *span)

        monkeypatch.setattr(world.upstream, "open_blob", open_and_count)
        world.pool.gate.clear()
        pulls = [asyncio.create_task(world.pull(reference)) for reference in (LATEST, CLEAN.digest) * 3]
        await world.pool.reached.wait()
        assert not any(pull.done() for pull in pulls)

        world.pool.gate.set()

        assert {stored.body for stored in await asyncio.gather(*pulls)} == {CLEAN.manifest}
        assert opened == [*CLEAN.blobs]
        assert len(await world.verdicts()) == 1

    async def test_t47_all_who_wait_are_refused_together(self, world: World) -> None:
        await world.put_behind(WITH_SSH)
        world.pool.gate.clear()
        pulls = [asyncio.create_task(world.pull()) for _ in range(5)]
        await world.pool.reached.wait()

        world.pool.gate.set()

        outcomes = await asyncio.gather(*pulls, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [DeniedError] * 5
        assert world.pool.begun == 2

    async def test_t47_whoever_waits_when_the_inspection_fails_gets_nothing(self, world: World) -> None:
        await world.put_behind(CLEAN)
        world.pool.gate.clear()
        world.pool.kills_worker = True
        pulls = [asyncio.create_task(world.pull()) for _ in range(5)]
        await world.pool.reached.wait()

        world.pool.gate.set()

        outcomes = await asyncio.gather(*pulls, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [DeniedError] * 5
        assert {outcome.retry_after for outcome in outcomes if isinstance(outcome, DeniedError)} == {10}
        assert await world.verdicts() == ()
        world.pool.reset()
        assert (await world.pull()).digest == CLEAN.digest

    async def test_whoever_goes_away_does_not_stop_it_for_those_who_wait(self, small_world: World) -> None:
        await small_world.put_behind(CLEAN)
        small_world.pool.gate.clear()
        first, second = (asyncio.create_task(small_world.pull()) for _ in range(2))
        await small_world.pool.reached.wait()
        first.cancel()

        small_world.pool.gate.set()

        assert (await second).digest == CLEAN.digest
        assert small_world.pool.begun == 1

    async def test_t37_a_tag_is_resolved_once_and_what_it_meant_then_is_judged_and_served(
        self, make_world: MakeWorld
    ) -> None:
        upstream = RestlessUpstream(meanings=(CLEAN, WITH_SSH))
        world = make_world(upstream)
        await world.upload(CLEAN)
        await world.upload(WITH_SSH)

        assert (await world.pull()).body == CLEAN.manifest
        assert upstream.asked == 1
        with pytest.raises(DeniedError):
            await world.pull()
        assert upstream.asked == 2
        assert (await world.pull()).body == CLEAN.manifest


async def test_t66_bytes_the_upstream_garbled_once_do_not_condemn_a_layer_for_ever(make_world: MakeWorld) -> None:
    upstream = LyingUpstream()
    world = make_world(upstream)
    await world.put_behind(CLEAN)
    (layer,) = layers_of(CLEAN)
    truth = upstream.corrupt(world.repository, layer)
    with pytest.raises(UpstreamError, match="have another digest"):
        await world.pull()
    upstream.blobs[world.repository, layer] = truth

    assert (await world.pull()).body == CLEAN.manifest
