"""Bills of materials that the gate puts beside the images it admits (`sbom.attach`)."""

import json
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from config.vocabulary import SbomFormat
from proxy.errors import ManifestUnknownError
from proxy.gate.attached_sboms import SbomAttachment, attachment_warnings
from proxy.gate.inventory import bill_of_materials
from proxy.upstream.port import UpstreamRefusedError, UpstreamUnavailableError
from scanning.documents import decode, encode
from scanning.facts import ImageFacts
from scanning.oci.digest import Digest
from scanning.oci.names import Reference, Repository, Tag
from storage import documents, sboms, verdicts
from storage.audit import Event
from tests.images import debian, image, index
from tests.proxy.gate.conftest import MakeWorld
from tests.proxy.gate.signing import legacy_signature
from tests.proxy.gate.test_artifacts import SBOM
from tests.proxy.gate.world import LATEST, World, policy_text, wants_signature
from tests.scanning.signatures.signing import new_key, pem
from tests.simulators import MemoryUpstream

pytestmark = pytest.mark.asyncio(loop_scope="session")

KEY = new_key()
APP = image(debian(("openssl", "3.0.15-1")))
BOTH = {"attach": ["cyclonedx", "spdx"]}
CYCLONEDX, SPDX = "application/vnd.cyclonedx+json", "application/spdx+json"


def attachment(world: World) -> SbomAttachment:
    """What runs in the background of a gate."""
    return SbomAttachment(world.database, world.upstream, world.gate, lambda: world.policy.current, world.time.now)


async def kinds(world: World, subject: Digest) -> list[str]:
    """The artifact types that whoever only pulls sees beside an image."""
    return sorted(found.artifact_type for found in await world.referrers(subject))


async def document(world: World, artifact: Digest) -> dict[str, Any]:
    """What an attached artifact holds."""
    manifest = json.loads((await world.pull(artifact)).body)
    blob = Digest.parse(manifest["layers"][0]["digest"])
    await world.check_blob(blob)
    async with world.upstream.open_blob(world.repository, blob) as stream:
        assert stream is not None
        found: dict[str, Any] = json.loads(b"".join([chunk async for chunk in stream.chunks]))
    return found


async def test_they_lie_beside_an_image_once_it_is_admitted(world: World) -> None:
    await world.change_policy(policy_text(sbom=BOTH))
    await world.push(APP)
    assert await world.referrers(APP.digest) == ()

    await attachment(world).attach_all()

    found = {one.artifact_type: one.digest for one in await world.referrers(APP.digest)}
    assert found.keys() == {CYCLONEDX, SPDX}
    assert {one["name"] for one in (await document(world, found[CYCLONEDX]))["components"]} == {"debian", "openssl"}
    assert [one["name"] for one in (await document(world, found[SPDX]))["packages"]][1:] == ["openssl"]
    assert await world.upstream.referrers(world.repository, APP.digest) != ()
    pushed = [record for record in await world.audited() if record.actor == "imagegate"]
    assert [(record.event, record.outcome) for record in pushed] == [(Event.PUSH, "admit")] * 2


async def test_they_are_those_that_the_gate_gives_when_asked(small_world: World) -> None:
    await small_world.change_policy(policy_text(sbom={"attach": ["cyclonedx"]}))
    await small_world.push(APP)
    await attachment(small_world).attach_all()
    (attached,) = await small_world.referrers(APP.digest)

    asked = await bill_of_materials(small_world.database, small_world.repository, APP.digest, SbomFormat.CYCLONEDX)

    assert json.loads(asked) == await document(small_world, attached.digest)


async def test_each_image_of_an_index_has_its_own(small_world: World) -> None:
    arm = image(debian(("bash", "5.2-1")), architecture="arm64")
    both = index(APP, arm)
    await small_world.change_policy(policy_text(sbom={"attach": ["spdx"]}))
    await small_world.push(both)

    await attachment(small_world).attach_all()

    assert [await kinds(small_world, one.digest) for one in (APP, arm, both)] == [[SPDX], [SPDX], []]


async def test_attaching_and_pushing_again_changes_nothing(small_world: World) -> None:
    await small_world.change_policy(policy_text(sbom=BOTH))
    await small_world.push(APP)
    await attachment(small_world).attach_all()
    first = await small_world.referrers(APP.digest)
    await small_world.wait(3600)
    await small_world.push(APP)
    await small_world.approve_base(APP)

    await attachment(small_world).attach_all()

    assert await small_world.referrers(APP.digest) == first


async def test_one_that_was_pushed_and_not_recorded_is_pushed_as_the_same_again(small_world: World) -> None:
    """A crash between the push and the record of it."""
    await small_world.change_policy(policy_text(sbom=BOTH))
    await small_world.push(APP)
    async with small_world.database.snapshot() as tx:
        wanted = await sboms.waiting(tx)
    await attachment(small_world).attach_all()
    first = await small_world.referrers(APP.digest)
    async with small_world.database.transaction() as tx:
        for one in wanted:
            await sboms.settle(tx, one, None)
            await sboms.want(tx, one.repository, one.subject, one.form, verdict=one.verdict, facts=one.facts)
    await small_world.wait(60)

    await attachment(small_world).attach_all()

    assert await small_world.referrers(APP.digest) == first


async def test_what_waits_for_a_signature_gets_them_when_it_is_promoted(small_world: World) -> None:
    await small_world.change_policy(
        policy_text(signers={"release": pem(KEY)}, require=wants_signature("release"), sbom=BOTH)
    )
    await small_world.push(APP)
    await attachment(small_world).attach_all()
    assert await small_world.referrers(APP.digest, small_world.pusher) == ()

    await small_world.push(*legacy_signature(KEY, APP.digest))
    await attachment(small_world).attach_all()

    assert await kinds(small_world, APP.digest) == [SPDX, CYCLONEDX]


async def test_what_came_past_the_gate_gets_them_after_its_first_pull(small_world: World) -> None:
    await small_world.change_policy(policy_text(sbom=BOTH))
    await small_world.put_behind(APP)
    await small_world.pull()
    await attachment(small_world).attach_all()
    assert await kinds(small_world, APP.digest) == [SPDX, CYCLONEDX]


async def test_what_was_admitted_before_the_policy_asked_gets_them_when_it_is_pulled(small_world: World) -> None:
    await small_world.push(APP)
    await small_world.change_policy(policy_text(sbom={"attach": ["spdx"]}))
    await small_world.pull()
    await attachment(small_world).attach_all()
    assert await kinds(small_world, APP.digest) == [SPDX]


async def test_what_the_policy_wants_no_more_is_not_attached(small_world: World) -> None:
    await small_world.change_policy(policy_text(sbom=BOTH))
    await small_world.push(APP)
    await small_world.change_policy(policy_text(sbom={"attach": ["spdx"]}))
    await attachment(small_world).attach_all()
    assert await kinds(small_world, APP.digest) == [SPDX]


async def newer_facts(world: World) -> None:
    """The image was judged by other facts: as when a newer gate finds more."""
    async with world.database.transaction() as tx:
        verdict = await world.verdict(APP.digest)
        assert verdict.inputs.facts is not None
        found = decode(ImageFacts, await documents.get(tx, verdict.inputs.facts) or b"")
        more = await documents.put(tx, encode(replace(found, packages=(*found.packages, *found.packages))))
        newer = replace(verdict, id="newer", inputs=replace(verdict.inputs, facts=more))
        await verdicts.append(tx, newer)
        await sboms.want(tx, world.repository, APP.digest, SbomFormat.SPDX, verdict=newer.id, facts=more)


async def test_newer_facts_replace_it(world: World) -> None:
    await world.change_policy(policy_text(sbom={"attach": ["spdx"]}))
    await world.push(APP)
    await attachment(world).attach_all()
    (old,) = await world.referrers(APP.digest)
    await newer_facts(world)

    await attachment(world).attach_all()

    (new,) = await world.referrers(APP.digest)
    assert len((await document(world, new.digest))["packages"]) == 3
    assert await world.behind(old.digest) is None


async def test_they_go_with_the_image(world: World) -> None:
    await world.change_policy(policy_text(sbom=BOTH))
    await world.push(APP)
    await attachment(world).attach_all()
    attached = await world.referrers(APP.digest)

    await world.delete(APP.digest)

    assert len(attached) == 2
    for one in attached:
        assert await world.behind(one.digest) is None
        with pytest.raises(ManifestUnknownError):
            await world.pull(one.digest)


async def test_an_image_that_is_deleted_before_gets_none(small_world: World) -> None:
    await small_world.change_policy(policy_text(sbom=BOTH))
    await small_world.push(APP)
    await small_world.delete(APP.digest)
    await attachment(small_world).attach_all()
    assert await small_world.referrers(APP.digest) == ()


async def test_registries_that_are_only_read_get_none(make_world: MakeWorld) -> None:
    world = make_world(MemoryUpstream())
    upstream = MemoryUpstream(read_only={world.repository})
    world = replace(make_world(upstream), repository=world.repository)
    await world.change_policy(policy_text(sbom=BOTH))
    upstream.blobs |= {(world.repository, digest): content for digest, content in APP.blobs.items()}
    await upstream.put_manifest(world.repository, LATEST, APP.media_type, APP.manifest)

    assert (await world.pull()).digest == APP.digest

    async with world.database.snapshot() as tx:
        assert await sboms.waiting(tx) == ()


@dataclass
class FullUpstream(MemoryUpstream):
    """Takes no manifest while it is full, or takes none at all."""

    is_full: bool = False
    refuses: bool = False
    asked: list[Reference] = field(default_factory=list)

    async def put_manifest(self, repository: Repository, reference: Reference, media_type: str, body: bytes) -> None:
        if self.is_full:
            self.asked.append(reference)
            if self.refuses:
                raise UpstreamRefusedError("the simulated upstream takes no artifacts", status=400)
            raise UpstreamUnavailableError("the simulated upstream is full")
        await super().put_manifest(repository, reference, media_type, body)


async def test_what_fails_is_tried_again_after_longer_and_longer_pauses(make_world: MakeWorld) -> None:
    upstream = FullUpstream()
    world = make_world(upstream)
    await world.change_policy(policy_text(sbom={"attach": ["spdx"]}))
    await world.push(APP)
    upstream.is_full, job = True, attachment(world)

    tries = []
    for _ in range(8):
        await job.attach_all()
        tries.append(len(upstream.asked))
        await world.wait(1)

    assert tries == [1, 2, 2, 3, 3, 3, 3, 4]
    (warning,) = await attachment_warnings(world.database)
    assert warning.startswith("1 bills of materials could not be attached in 3 attempts or more: the log says why")
    upstream.is_full = False
    await world.wait(600)
    await attachment(world).attach_all()
    assert await attachment_warnings(world.database) == ()
    async with world.database.snapshot() as tx:
        assert await sboms.waiting(tx) == ()
        assert len(await sboms.attached_to(tx, world.repository, APP.digest)) == 1


async def test_what_a_registry_refuses_is_tried_ever_more_rarely(make_world: MakeWorld) -> None:
    upstream = FullUpstream()
    world = make_world(upstream)
    await world.change_policy(policy_text(sbom={"attach": ["spdx"]}))
    await world.push(APP)
    upstream.is_full = upstream.refuses = True

    hours = []
    for _ in range(12):
        await attachment(world).attach_all()  # a gate that starts again knows how often it failed
        hours.append(len(upstream.asked))
        await world.wait(3600)

    assert hours == [1, 2, 3, 4, 4, 5, 5, 5, 6, 6, 6, 6]
    assert await attachment_warnings(world.database)
    await world.change_policy(policy_text())
    await world.wait(6 * 3600)
    await attachment(world).attach_all()
    assert await attachment_warnings(world.database) == ()


class TestCosignsTag:
    """Where `cosign download sbom` looks, which asks for no referrers."""

    TAG = Tag(f"sha256-{APP.digest.hex}.sbom")

    async def test_the_first_form_has_it(self, world: World) -> None:
        await world.change_policy(policy_text(sbom={"attach": ["spdx", "cyclonedx"]}))
        await world.push(APP)
        await attachment(world).attach_all()

        found = {one.artifact_type: one.digest for one in await world.referrers(APP.digest)}
        assert (await world.pull(self.TAG)).digest == found[SPDX]

    async def test_what_somebody_attached_themselves_stays_there(self, world: World) -> None:
        await world.change_policy(policy_text(sbom={"attach": ["spdx"]}))
        await world.push(APP)
        await world.push(SBOM, self.TAG)

        await attachment(world).attach_all()

        assert (await world.pull(self.TAG)).digest == SBOM.digest
        assert await kinds(world, APP.digest) == [SPDX]

    async def test_it_follows_the_newest(self, world: World) -> None:
        await world.change_policy(policy_text(sbom={"attach": ["spdx"]}, tags={"immutable": ["**"]}))
        await world.push(APP)
        await attachment(world).attach_all()
        first = (await world.pull(self.TAG)).digest
        await newer_facts(world)

        await attachment(world).attach_all()

        (attached,) = await world.referrers(APP.digest)
        assert (await world.pull(self.TAG)).digest == attached.digest != first
