"""What somebody may not get out of the gate, and what nobody may make it do, however the pieces are put together."""

import json
from dataclasses import dataclass, replace

import pytest

from proxy.errors import DeniedError
from proxy.upstream.port import StoredManifest
from scanning.documents import decode
from scanning.errors import InvalidManifestError
from scanning.oci import media_types
from scanning.oci.digest import Digest
from scanning.oci.names import Reference, Repository, Tag
from scanning.signatures.model import SignatureEvidence
from scanning.verdict import Outcome
from storage import documents
from tests.images import File, TestImage, debian, descriptor, image, index
from tests.proxy.gate.conftest import MakeWorld
from tests.proxy.gate.signing import legacy_signature
from tests.proxy.gate.world import LATEST, World, layers_of, policy_text, wants_signature
from tests.scanning.signatures.signing import new_key, pem
from tests.simulators import MemoryUpstream

pytestmark = pytest.mark.asyncio(loop_scope="session")

CLEAN = image(debian())
_EMPTY = b"{}"


def marked(original: TestImage, **annotations: str) -> TestImage:
    """The same under another digest."""
    body = json.dumps(json.loads(original.manifest) | {"annotations": annotations}).encode()
    return replace(original, manifest=body)


def variants(original: TestImage, count: int) -> list[TestImage]:
    """So many manifests that differ in nothing that counts."""
    return [marked(original, number=str(number)) for number in range(count)]


def chart() -> TestImage:
    """Something that takes no inspection."""
    body = {
        "schemaVersion": 2,
        "mediaType": media_types.OCI_MANIFEST,
        "config": descriptor(_EMPTY, media_types.OCI_EMPTY),
        "layers": [descriptor(b"chart", "application/vnd.cncf.helm.chart.content.v1.tar+gzip")],
    }
    return TestImage(
        json.dumps(body).encode(), media_types.OCI_MANIFEST, {Digest.of(blob): blob for blob in (b"chart", _EMPTY)}
    )


def three_levels(width: int) -> TestImage:
    """An index of indexes, each of which lists all of the next level: few manifests, and many ways to each."""
    middle = variants(index(*variants(chart(), width)), width)
    return index(*variants(index(*middle), width))


class TestIndexes:
    async def test_t56_indexes_that_list_the_same_again_are_not_judged_without_end(self, small_world: World) -> None:
        await put_once_behind(small_world, three_levels(7))

        with pytest.raises(DeniedError, match="lists more than 256 manifests, counted as often as they are listed"):
            await small_world.pull()

    async def test_t56_nor_when_they_are_pushed(self, small_world: World) -> None:
        many = three_levels(7)
        await put_once_behind(small_world, many)

        with pytest.raises(InvalidManifestError, match="lists more than 256 manifests"):
            await small_world.push_manifest(many, Tag("again"))

    async def test_what_stays_within_the_bounds_is_judged_to_its_leaves(self, small_world: World) -> None:
        few = three_levels(3)
        await put_once_behind(small_world, few)

        assert (await small_world.pull()).digest == few.digest


async def put_once_behind(world: World, root: TestImage) -> None:
    """As `World.put_behind`, each manifest once."""
    await world.upload(chart())
    seen: dict[Digest, TestImage] = {}

    def visit(one: TestImage) -> None:
        for child in one.children:
            visit(child)
        seen.setdefault(one.digest, one)

    visit(root)
    for one in seen.values():
        reference = LATEST if one is root else one.digest
        await world.upstream.put_manifest(world.repository, reference, one.media_type, one.manifest)


def _bulky_signatures(subject: TestImage, layers: int, manifests: int) -> list[TestImage]:
    """Manifests that give the same large document again and again for the signatures of `subject`."""
    content = json.dumps({"mediaType": "nothing", "padding": "x" * 1_000_000}).encode()
    body = {
        "schemaVersion": 2,
        "mediaType": media_types.OCI_MANIFEST,
        "config": descriptor(_EMPTY, media_types.OCI_EMPTY),
        "layers": [descriptor(content, media_types.SIGSTORE_BUNDLE)] * layers,
        "subject": descriptor(subject.manifest, subject.media_type),
    }
    blobs = {Digest.of(blob): blob for blob in (_EMPTY, content)}
    one = TestImage(json.dumps(body).encode(), media_types.OCI_MANIFEST, blobs)
    return variants(one, manifests)


class TestSignatures:
    async def test_t58_one_large_document_listed_again_and_again_is_not_collected_again_and_again(
        self, small_world: World
    ) -> None:
        await small_world.change_policy(policy_text(require=wants_signature()))
        await small_world.upload(CLEAN)
        for signature in _bulky_signatures(CLEAN, layers=10, manifests=3):
            await small_world.push(signature, signature.digest)

        await small_world.push_manifest(CLEAN)

        verdict = await small_world.verdict(CLEAN.digest)
        async with small_world.database.snapshot() as tx:
            document = await documents.get(tx, verdict.inputs.signatures)
        assert document is not None
        assert len(document) < 17 << 20
        assert len(decode(SignatureEvidence, document).documents) == 10

    async def test_t58_nor_does_it_keep_a_true_signature_from_counting(self, small_world: World) -> None:
        key = new_key()
        await small_world.change_policy(policy_text(require=wants_signature("release"), signers={"release": pem(key)}))
        await small_world.upload(CLEAN)
        for signature in _bulky_signatures(CLEAN, layers=10, manifests=3):
            await small_world.push(signature, signature.digest)
        await small_world.push(*legacy_signature(key, CLEAN.digest))

        await small_world.push_manifest(CLEAN)

        assert (await small_world.verdict(CLEAN.digest)).outcome is Outcome.ADMIT


@dataclass
class _Retyping(MemoryUpstream):
    """Calls what it has by another media type, once somebody tells it to."""

    says: str = ""

    async def get_manifest(self, repository: Repository, reference: Reference) -> StoredManifest | None:
        found = await super().get_manifest(repository, reference)
        return replace(found, media_type=self.says) if found and self.says else found


class TestTypes:
    async def test_t46_what_was_judged_as_one_thing_is_never_served_as_another(self, make_world: MakeWorld) -> None:
        """Podman unpacks every layer of what is served as a Docker manifest, artifact or not."""
        upstream = _Retyping()
        world = make_world(upstream)
        untyped = json.loads(chart().manifest)
        del untyped["mediaType"]  # as the OCI specification allows
        await world.put_behind(replace(chart(), manifest=json.dumps(untyped).encode()))
        assert (await world.pull()).media_type == media_types.OCI_MANIFEST

        upstream.says = media_types.DOCKER_MANIFEST

        with pytest.raises(DeniedError, match="cannot be read in one way only"):
            await world.pull()


class TestBlobs:
    async def test_t75_a_shared_layer_is_served_without_judging_all_who_share_it(self, small_world: World) -> None:
        """Somebody can hold many images in quarantine that share a base with an admitted one."""
        key = new_key()
        await small_world.change_policy(policy_text(require=wants_signature("release"), signers={"release": pem(key)}))
        waiting = variants(CLEAN, 8)
        for number, unsigned in enumerate(waiting):
            await small_world.push(unsigned, Tag(f"waiting-{number}"))
        signed = max(waiting, key=lambda one: one.digest)
        await small_world.push(*legacy_signature(key, signed.digest))
        await small_world.wait(120)
        before = len(await small_world.verdicts())

        await small_world.check_blob(layers_of(CLEAN)[0])

        assert len(await small_world.verdicts()) == before

    async def test_t75_nor_are_all_judged_where_none_is_admitted(self, small_world: World) -> None:
        await small_world.change_policy(policy_text(require=wants_signature()))
        for number, unsigned in enumerate(variants(CLEAN, 20)):
            await small_world.push(unsigned, Tag(f"waiting-{number}"))
        await small_world.wait(120)
        before = len(await small_world.verdicts())

        with pytest.raises(DeniedError, match="belongs to no admitted image"):
            await small_world.check_blob(layers_of(CLEAN)[0])

        assert len(await small_world.verdicts()) - before == 16


class TestReferrers:
    async def test_t35_what_was_refused_is_not_listed_for_those_who_only_pull(self, small_world: World) -> None:
        """A descriptor carries the annotations of the manifest."""
        await small_world.push(CLEAN)
        original = image(debian(), {"usr/bin/ssh": File(b"\x7fELF", 0o755)})
        body = json.loads(original.manifest)
        body |= {"subject": descriptor(CLEAN.manifest, CLEAN.media_type), "annotations": {"note": "of a refused image"}}
        refused = replace(original, manifest=json.dumps(body).encode())
        await small_world.put_behind(refused, Tag("refused"))
        with pytest.raises(DeniedError):
            await small_world.pull(Tag("refused"))

        assert await small_world.referrers(CLEAN.digest) == ()
        assert [found.digest for found in await small_world.referrers(CLEAN.digest, small_world.pusher)] == [
            refused.digest
        ]
