"""Somebody who may push puts much beside an image of others, so that it cannot be judged or counts as unsigned."""

import json
from dataclasses import replace

import pytest
import pytest_asyncio

from proxy.errors import DeniedError, FixedTagError
from proxy.identity.principal import Role
from proxy.upstream.port import MAX_REFERRERS
from scanning.oci import media_types
from scanning.oci.digest import Digest
from scanning.oci.names import Tag
from scanning.oci.read import read_manifest
from scanning.oci.referrers import referrers_tag
from scanning.signatures.discover import MAX_SIGNATURES_PER_MANIFEST, signature_tag
from scanning.signatures.verify import MAX_DOCUMENTS
from scanning.verdict import Outcome
from storage import manifests
from storage.audit import Event
from tests.images import TestImage, debian, descriptor, image, index
from tests.proxy.gate.signing import bundle_signature, legacy_signature, signature_of
from tests.proxy.gate.world import REFUSE_SSH, World, caller, policy_text, wants_signature
from tests.scanning.signatures.signing import new_key, pem

pytestmark = pytest.mark.asyncio(loop_scope="session")

KEY, STRANGER = new_key(), new_key()
STRICT = policy_text(signers={"release": pem(KEY)}, require=wants_signature("release"))
THE_DAY_AFTER = policy_text(signers={"release": pem(KEY)}, require=wants_signature("release"), deny=REFUSE_SSH)
CLEAN = image(debian())
ARM = image(debian(), architecture="arm64")
BOTH = index(CLEAN, ARM)
EMPTY = TestImage(b"", media_types.OCI_MANIFEST, {Digest.of(b"{}"): b"{}"})
CREATOR = caller(Role.CREATOR, "release-job")
LARGE = "x" * (3 << 20)
OF_ANYBODY = MAX_REFERRERS - MAX_REFERRERS // 8
"""The places that are not kept for signers."""


@pytest_asyncio.fixture(loop_scope="session")
async def strict(world: World) -> World:
    """A gate that wants a signature by `release`."""
    await world.change_policy(STRICT)
    return world


def junk(subject: TestImage, number: int = 0, padding: str = "") -> TestImage:
    """As many signatures by a stranger as one manifest may hold."""
    one, _ = bundle_signature(STRANGER, subject)
    body = json.loads(one.manifest)
    layers = [body["layers"][0] | {"annotations": {"number": str(n)}} for n in range(MAX_SIGNATURES_PER_MANIFEST)]
    body |= {"layers": layers, "annotations": {"number": str(number), "padding": padding}}
    return replace(one, manifest=json.dumps(body).encode())


async def crowd(world: World, subject: TestImage) -> None:
    """Push more signatures beside an image than are looked at, later than all there are."""
    for number in range(MAX_DOCUMENTS // MAX_SIGNATURES_PER_MANIFEST + 1):
        await world.wait(1)
        signatures = junk(subject, number)
        await world.push(signatures, signatures.digest)


def together(*signatures: TestImage) -> TestImage:
    """Signatures of cosign's first format in one manifest, as cosign adds them."""
    bodies = [json.loads(signature.manifest) for signature in signatures]
    body = bodies[0] | {"layers": [layer for one in bodies for layer in one["layers"]]}
    blobs = {digest: content for signature in signatures for digest, content in signature.blobs.items()}
    return TestImage(json.dumps(body).encode(), media_types.OCI_MANIFEST, blobs)


class TestWhatCountedBefore:
    """Signatures that came later are no reason to forget earlier ones."""

    @pytest.mark.parametrize("kind", ["legacy", "bundle"])
    async def test_t58_an_image_stays_signed_however_many_signatures_others_add(self, strict: World, kind: str) -> None:
        await strict.push(CLEAN)
        signature, reference = signature_of(KEY, CLEAN, kind)
        await strict.push(signature, reference)
        await crowd(strict, CLEAN)

        await strict.change_policy(THE_DAY_AFTER)

        assert (await strict.pull()).body == CLEAN.manifest
        assert (await strict.verdict(CLEAN.digest)).outcome is Outcome.ADMIT

    async def test_t58_signatures_beside_an_image_crowd_out_none_of_its_index(self, small_world: World) -> None:
        await small_world.change_policy(STRICT)
        await small_world.push(BOTH)
        signature, reference = bundle_signature(KEY, BOTH)
        await small_world.push(signature, reference)
        await crowd(small_world, CLEAN)

        await small_world.change_policy(THE_DAY_AFTER)

        assert (await small_world.pull(CLEAN.digest)).body == CLEAN.manifest

    async def test_what_is_no_signature_takes_no_place_of_one(self, small_world: World) -> None:
        await small_world.change_policy(STRICT)
        await small_world.push(CLEAN)
        await have_beside(small_world, CLEAN, 65)
        signature, reference = bundle_signature(KEY, CLEAN)
        await small_world.push(signature, reference)

        assert (await small_world.pull()).body == CLEAN.manifest


class TestWhoComesLate:
    """A signer finds a place, whatever others have put there before."""

    @pytest.mark.parametrize("subject", [CLEAN, BOTH], ids=["image", "index"])
    async def test_t58_a_signature_counts_after_more_worthless_ones_than_are_read(
        self, small_world: World, subject: TestImage
    ) -> None:
        await small_world.change_policy(STRICT)
        await small_world.push(subject)
        await crowd(small_world, subject)
        await small_world.wait(1)

        signature, reference = bundle_signature(KEY, subject)
        await small_world.push(signature, reference)

        assert (await small_world.pull()).body == subject.manifest

    async def test_t58_a_signature_counts_after_indexes_of_strangers_with_worthless_ones(
        self, small_world: World
    ) -> None:
        await small_world.change_policy(STRICT)
        await small_world.push(CLEAN)
        await crowd(small_world, CLEAN)
        for number in range(MAX_DOCUMENTS // MAX_SIGNATURES_PER_MANIFEST):
            listing = with_annotations(index(CLEAN), {"number": str(number)})
            await small_world.push_manifest(listing, Tag(f"listing-{number}"))
            worthless = junk(listing)
            await small_world.push(worthless, worthless.digest)

        signature, reference = bundle_signature(KEY, CLEAN)
        await small_world.push(signature, reference)

        assert (await small_world.pull()).body == CLEAN.manifest

    async def test_t58_places_are_kept_for_the_first_signature_of_each_signer(self, small_world: World) -> None:
        await small_world.change_policy(STRICT)
        await small_world.push(CLEAN)
        await have_beside(small_world, CLEAN, OF_ANYBODY)
        worthless, _ = bundle_signature(STRANGER, CLEAN)
        signature, _ = bundle_signature(KEY, CLEAN)
        wrapped, again = (with_annotations(signature, {"number": str(number)}) for number in range(2))

        with pytest.raises(DeniedError):
            await small_world.push(worthless, worthless.digest)
        await small_world.push(wrapped, wrapped.digest)
        assert (await small_world.pull()).body == CLEAN.manifest
        with pytest.raises(DeniedError):
            await small_world.push(again, again.digest)
        await small_world.push(wrapped, wrapped.digest)

    async def test_t58_who_wraps_a_signature_in_worthless_ones_takes_no_place_of_a_signer(
        self, small_world: World
    ) -> None:
        await small_world.change_policy(STRICT)
        await small_world.push(CLEAN)
        good, _ = bundle_signature(KEY, CLEAN)
        bad = junk(CLEAN)
        body = json.loads(good.manifest)
        body["layers"] += json.loads(bad.manifest)["layers"][1:]
        stuffed = TestImage(json.dumps(body).encode(), good.media_type, {**good.blobs, **bad.blobs})
        await small_world.push(stuffed, stuffed.digest)
        await have_beside(small_world, CLEAN, OF_ANYBODY - 1)

        await small_world.push(good, good.digest)

        async with small_world.database.snapshot() as tx:
            beside = await manifests.referrers(tx, small_world.repository, CLEAN.digest)
        assert [record.digest for record in beside if record.vouched] == [good.digest]


def with_annotations(pushed: TestImage, annotations: dict[str, str]) -> TestImage:
    """The same in another manifest."""
    return replace(pushed, manifest=json.dumps(json.loads(pushed.manifest) | {"annotations": annotations}).encode())


def artifact_of(subject: TestImage, number: int) -> bytes:
    """The manifest of something that refers to an image, such as the report of one night."""
    body = {
        "schemaVersion": 2,
        "mediaType": media_types.OCI_MANIFEST,
        "artifactType": "application/vnd.example.report",
        "config": descriptor(b"{}", media_types.OCI_EMPTY),
        "layers": [],
        "subject": descriptor(subject.manifest, subject.media_type),
        "annotations": {"night": str(number)},
    }
    return json.dumps(body).encode()


async def have_beside(world: World, subject: TestImage, count: int) -> None:
    """Let the gate know so many artifacts that refer to an image."""
    async with world.database.transaction() as tx:
        for number in range(count):
            body = artifact_of(subject, number)
            referrer = read_manifest(body, media_types.OCI_MANIFEST)
            await manifests.record(tx, world.repository, referrer, body, held=False, facts=None, now=world.time.now())


class TestWhatSignaturesCost:
    """Each is looked at; what it can change nothing of is not judged again."""

    async def test_t58_a_worthless_signature_has_no_index_judged(self, small_world: World) -> None:
        await small_world.change_policy(STRICT)
        await small_world.push(BOTH)
        before = await small_world.verdict(BOTH.digest)
        worthless, reference = bundle_signature(STRANGER, CLEAN)

        await small_world.push(worthless, reference)

        assert await small_world.verdict(BOTH.digest) == before

    async def test_t58_nor_has_a_good_one_what_is_admitted_already(self, small_world: World) -> None:
        await small_world.change_policy(STRICT)
        await small_world.push(BOTH)
        for subject in (BOTH, CLEAN):
            signature, reference = bundle_signature(KEY, subject)
            await small_world.push(signature, reference)
            if subject is BOTH:
                before = await small_world.verdict(BOTH.digest)

        assert before.outcome is Outcome.ADMIT
        assert await small_world.verdict(BOTH.digest) == before
        assert await small_world.verdict(CLEAN.digest) != before


class TestRoom:
    """No more refers to an image than can be read again."""

    async def test_t58_large_referrers_leave_an_image_of_others_possible_to_judge(self, small_world: World) -> None:
        await small_world.push(CLEAN)
        floods = [junk(CLEAN, number, LARGE) for number in range(4)]
        for flood in floods:
            await small_world.upload(flood)
        for flood in floods[:2]:
            await small_world.push_manifest(flood, flood.digest, CREATOR)
        for flood in floods[2:]:
            with pytest.raises(DeniedError, match="have an administrator delete those that nobody needs"):
                await small_world.push_manifest(flood, flood.digest, CREATOR)

        await small_world.change_policy(policy_text())

        assert (await small_world.pull()).body == CLEAN.manifest
        last = (await small_world.audited())[-2]
        assert (last.event, last.actor, last.outcome) == (Event.PUSH, "release-job", "denied")

    async def test_t58_nor_do_many(self, small_world: World) -> None:
        await small_world.push(CLEAN)
        await small_world.upload(EMPTY)
        await have_beside(small_world, CLEAN, OF_ANYBODY)

        one_more = replace(EMPTY, manifest=artifact_of(CLEAN, OF_ANYBODY))
        with pytest.raises(DeniedError, match=r"224 manifests of [0-9]+ bytes refer to .* more than the 224"):
            await small_world.push_manifest(one_more, one_more.digest)

        again = replace(EMPTY, manifest=artifact_of(CLEAN, 7))
        await small_world.push_manifest(again, again.digest)


class TestWhoMayOnlyCreate:
    """Adds signatures, and takes none away."""

    async def test_t19_takes_no_signature_of_others_from_an_image(self, strict: World) -> None:
        await strict.push(CLEAN)
        signature, tag = legacy_signature(KEY, CLEAN.digest)
        await strict.push(signature, tag)
        worthless, _ = legacy_signature(STRANGER, CLEAN.digest)
        await strict.upload(worthless)

        with pytest.raises(FixedTagError, match="this would take something from that list"):
            await strict.push_manifest(worthless, tag, CREATOR)

        await strict.change_policy(THE_DAY_AFTER)
        assert (await strict.pull()).body == CLEAN.manifest

    async def test_t58_nor_adds_so_many_that_those_of_others_are_not_read_any_more(self, strict: World) -> None:
        await strict.push(CLEAN)
        signature, tag = legacy_signature(KEY, CLEAN.digest)
        await strict.push(signature, tag)
        worthless = [legacy_signature(new_key(), CLEAN.digest)[0] for _ in range(MAX_SIGNATURES_PER_MANIFEST)]
        crowded = together(signature, *worthless)
        await strict.upload(crowded)

        with pytest.raises(FixedTagError, match="or have it no more among the last 64"):
            await strict.push_manifest(crowded, tag, CREATOR)

        await strict.push_manifest(together(signature, *worthless[1:]), tag, CREATOR)
        await strict.change_policy(THE_DAY_AFTER)
        assert (await strict.pull()).body == CLEAN.manifest

    async def test_adds_its_own(self, strict: World) -> None:
        await strict.push(CLEAN)
        theirs, tag = legacy_signature(STRANGER, CLEAN.digest)
        await strict.push(theirs, tag)
        both = together(theirs, legacy_signature(KEY, CLEAN.digest)[0])
        await strict.upload(both)

        await strict.push_manifest(both, tag, CREATOR)

        assert (await strict.pull()).body == CLEAN.manifest

    @pytest.mark.parametrize("tag", [signature_tag(CLEAN.digest), referrers_tag(CLEAN.digest)], ids=str)
    async def test_t19_moves_no_image_under_a_tag_that_looks_like_a_list(self, small_world: World, tag: Tag) -> None:
        for pushed in (CLEAN, ARM):
            await small_world.upload(pushed)
        await small_world.push_manifest(CLEAN, tag, CREATOR)

        with pytest.raises(FixedTagError):
            await small_world.push_manifest(ARM, tag, CREATOR)

    async def test_a_developer_replaces_them(self, strict: World) -> None:
        await strict.push(CLEAN)
        theirs, tag = legacy_signature(STRANGER, CLEAN.digest)
        await strict.push(theirs, tag)
        ours, _ = legacy_signature(KEY, CLEAN.digest)

        await strict.push(ours, tag)

        assert (await strict.pull()).body == CLEAN.manifest
