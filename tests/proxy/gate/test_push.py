"""A manifest is pushed: admitted, held in quarantine, or refused; and what the upstream holds afterwards."""

import asyncio
import json

import pytest

from proxy.errors import DeniedError, ManifestBlobUnknownError
from proxy.upstream.port import UpstreamRefusedError
from proxy.upstream.remote import RemoteUpstream
from scanning.errors import InvalidDigestError, InvalidManifestError
from scanning.oci import media_types
from scanning.oci.digest import Digest
from scanning.oci.names import Tag
from scanning.verdict import Outcome
from tests.images import File, TestImage, debian, descriptor, image, index
from tests.proxy.gate.world import LATEST, REFUSE_SSH, World, layers_of, policy_text, wants_signature

pytestmark = pytest.mark.asyncio(loop_scope="session")

CLEAN = image(debian())
WITH_SSH = image(debian(), {"usr/bin/ssh": File(b"\x7fELF", 0o755)})
OTHER = image(debian(("base-files", "12.4+deb12u9")))


async def test_a_clean_image_is_admitted_under_its_tag_and_digest(world: World) -> None:
    pushed = await world.push(CLEAN)

    assert (pushed.digest, pushed.subject, pushed.warnings) == (CLEAN.digest, None, ())
    assert await world.behind(LATEST) == CLEAN.digest
    assert await world.behind(CLEAN.digest) == CLEAN.digest
    assert (await world.verdict(CLEAN.digest)).outcome is Outcome.ADMIT


async def test_an_image_with_ssh_is_refused_and_the_upstream_never_sees_its_manifest(world: World) -> None:
    with pytest.raises(DeniedError) as refused:
        await world.push(WITH_SSH)

    verdict = await world.verdict(WITH_SSH.digest)
    assert verdict.outcome is Outcome.REJECT
    assert str(refused.value) == (
        f"{world.repository}:latest is refused: ssh in usr/bin/ssh of layer {layers_of(WITH_SSH)[1].short} (layer 1): a"
        " tool of the kind ssh-client (recognised by path) is not allowed [deny.tools]; remove usr/bin/ssh and build"
        " again -- see: imagegate verdict show"
        f" {verdict.id} (or http://gate.example/api/v1/verdicts/{verdict.id})"
    )
    assert refused.value.detail["verdict"] == verdict.id
    assert refused.value.detail["violations"][0]["where"] == "usr/bin/ssh"
    assert await world.behind(LATEST) is None
    assert await world.behind(WITH_SSH.digest) is None


async def test_a_refused_push_leaves_the_tag_where_it_was(world: World) -> None:
    await world.push(CLEAN)
    with pytest.raises(DeniedError):
        await world.push(WITH_SSH)

    assert await world.behind(LATEST) == CLEAN.digest
    assert (await world.pull()).digest == CLEAN.digest


async def test_an_unsigned_image_is_held_with_a_warning_and_the_upstream_never_sees_its_manifest(world: World) -> None:
    await world.change_policy(policy_text(require=wants_signature()))

    pushed = await world.push(CLEAN)

    verdict = await world.verdict(CLEAN.digest)
    assert verdict.outcome is Outcome.QUARANTINE
    assert len(pushed.warnings) == 1
    assert pushed.warnings[0].startswith(f"{world.repository}:latest is in quarantine, only pushers can pull it: ")
    assert f"imagegate verdict show {verdict.id}" in pushed.warnings[0]
    assert await world.behind(LATEST) is None
    assert await world.behind(CLEAN.digest) is None


async def test_a_manifest_pushed_by_its_sha512_digest_is_known_by_it_and_its_verdict_can_be_made_again(
    world: World,
) -> None:
    named = Digest.of(CLEAN.manifest, "sha512")
    if isinstance(world.upstream, RemoteUpstream):  # docker-registry knows manifests by their sha256 only
        with pytest.raises(UpstreamRefusedError, match="400 DIGEST_INVALID"):
            await world.push(CLEAN, named)
        return

    pushed = await world.push(CLEAN, named)

    assert (pushed.digest, await world.behind(named)) == (named, named)
    assert (await world.pull(named)).digest == named
    verdict = await world.verdict(named)
    assert await world.replay.again(verdict) == verdict


def by_sha512(made: TestImage) -> TestImage:
    """The same image, its blobs named by sha512."""
    manifest, blobs = made.manifest, {}
    for digest, content in made.blobs.items():
        named = Digest.of(content, "sha512")
        manifest = manifest.replace(str(digest).encode(), str(named).encode())
        blobs[named] = content
    return TestImage(manifest, made.media_type, blobs)


async def test_layers_named_by_sha512_are_inspected_and_served(world: World) -> None:
    clean = by_sha512(CLEAN)
    await world.push(clean)
    assert (await world.pull()).body == clean.manifest
    (layer,) = layers_of(clean)
    await world.check_blob(layer)
    assert layer.algorithm == "sha512"

    again = world.pool.begun
    await world.push(clean, Tag("again"))
    assert world.pool.begun == again


async def test_what_layers_named_by_sha512_hold_is_refused(world: World) -> None:
    image_with_ssh = by_sha512(WITH_SSH)
    with pytest.raises(DeniedError, match=f"usr/bin/ssh of layer {layers_of(image_with_ssh)[1].short}"):
        await world.push(image_with_ssh)
    assert await world.behind(LATEST) is None


async def test_t44_a_layer_that_lies_elsewhere_is_not_asked_for_here_and_refuses_the_image_unread(world: World) -> None:
    written = json.loads(CLEAN.manifest)
    address = "https://elsewhere.example/layer"
    foreign = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
    written["layers"].append({**descriptor(b"never pushed", foreign), "urls": [address]})
    made = TestImage(json.dumps(written).encode(), CLEAN.media_type, CLEAN.blobs)
    await world.change_policy(policy_text(foreign_layers=True))
    with pytest.raises(DeniedError, match=f"lies elsewhere, at {address}, and is not fetched"):
        await world.push(made)
    assert await world.behind(LATEST) is None

    await world.change_policy(policy_text(foreign_layers=True, mode="audit"))
    await world.push(made)
    assert (await world.pull()).digest == made.digest


async def test_t70_referrers_pushed_at_once_are_all_listed_by_the_gate_and_behind_it(world: World) -> None:
    await world.push(CLEAN)
    made = []
    for number in range(6):
        plain = image(debian(), {"srv/number": str(number).encode()})
        written = json.loads(plain.manifest) | {"subject": descriptor(CLEAN.manifest, CLEAN.media_type)}
        made.append(TestImage(json.dumps(written).encode(), plain.media_type, plain.blobs))
        await world.upload(made[-1])  # before: docker-registry may fail who stores a blob that others are storing

    await asyncio.gather(*(world.push_manifest(one, one.digest) for one in made))

    expected = {one.digest for one in made}
    assert {
        item.digest for item in await world.gate.referrers(world.operator, world.repository, CLEAN.digest)
    } == expected
    assert {item.digest for item in await world.upstream.referrers(world.repository, CLEAN.digest)} == expected


async def test_in_audit_mode_everything_passes_and_the_pusher_is_told_what_would_have_been(world: World) -> None:
    await world.change_policy(policy_text(deny=REFUSE_SSH, mode="audit"))

    pushed = await world.push(WITH_SSH)

    verdict = await world.verdict(WITH_SSH.digest)
    assert (verdict.outcome, verdict.enforced) == (Outcome.REJECT, Outcome.ADMIT)
    assert pushed.warnings[0].startswith("audit mode, would be reject: ssh in usr/bin/ssh of layer ")
    assert await world.behind(LATEST) == WITH_SSH.digest
    assert (await world.pull()).digest == WITH_SSH.digest


async def test_what_only_warns_is_admitted_with_the_warning(world: World) -> None:
    await world.change_policy(policy_text(deny={"root_user": {"effect": "warn"}}))

    pushed = await world.push(image(debian(), user=""))

    assert len(pushed.warnings) == 1
    assert pushed.warnings[0].startswith("warning: no user in the image configuration: its process starts as root")


async def test_a_repository_that_no_rule_covers_is_refused(small_world: World) -> None:
    await small_world.change_policy(policy_text(repositories=["elsewhere/**"]))

    with pytest.raises(DeniedError, match="no rule of the policy covers this repository"):
        await small_world.push(CLEAN)


async def test_a_manifest_whose_layer_is_not_there_is_refused(world: World) -> None:
    with pytest.raises(ManifestBlobUnknownError, match="push it before the manifest"):
        await world.push_manifest(CLEAN)

    assert await world.behind(LATEST) is None


async def test_a_manifest_must_have_the_digest_it_is_pushed_by(world: World) -> None:
    await world.upload(CLEAN)

    with pytest.raises(InvalidDigestError, match=str(CLEAN.digest)):
        await world.push_manifest(CLEAN, OTHER.digest)


@pytest.mark.parametrize("part", ["config", "layers"])
async def test_t45_a_wrong_descriptor_size_is_refused(world: World, part: str) -> None:
    document = json.loads(CLEAN.manifest)
    described = document["config"] if part == "config" else document["layers"][0]
    described["size"] += 1
    lying = TestImage(json.dumps(document).encode(), CLEAN.media_type, CLEAN.blobs)

    with pytest.raises(InvalidManifestError, match="bytes, but it has"):
        await world.push(lying)

    assert await world.behind(LATEST) is None


async def test_t39_a_manifest_that_two_readers_take_differently_is_refused(world: World) -> None:
    ambiguous = CLEAN.manifest.replace(b'"layers"', b'"Layers": [], "layers"')

    with pytest.raises(InvalidManifestError):
        await world.push(TestImage(ambiguous, CLEAN.media_type, CLEAN.blobs))

    assert await world.behind(LATEST) is None


async def test_a_layer_that_cannot_be_read_is_refused_whatever_the_policy_says(world: World) -> None:
    await world.change_policy(policy_text())
    garbage, config = b"this is no layer", next(iter(CLEAN.blobs.items()))
    document = json.loads(CLEAN.manifest)
    document["layers"] = [descriptor(garbage, "application/vnd.oci.image.layer.v1.tar+gzip")]
    broken = TestImage(
        json.dumps(document).encode(), CLEAN.media_type, {config[0]: config[1], Digest.of(garbage): garbage}
    )

    with pytest.raises(
        DeniedError, match=r"H26 ambiguous archive in layer .*: it cannot be inspected: .* \[inspection\]"
    ):
        await world.push(broken)

    assert await world.behind(LATEST) is None


async def test_t46_a_signature_whose_layer_is_an_archive_in_disguise_is_refused(world: World) -> None:
    document = json.loads(WITH_SSH.manifest)
    for layer in document["layers"]:
        layer["mediaType"] = media_types.COSIGN_SIMPLE_SIGNING
    disguised = TestImage(json.dumps(document).encode(), WITH_SSH.media_type, WITH_SSH.blobs)

    with pytest.raises(InvalidManifestError, match="a runtime could unpack it"):
        await world.push(disguised)

    assert await world.behind(LATEST) is None


async def test_layers_seen_while_they_were_uploaded_are_not_read_again(small_world: World) -> None:
    await small_world.upload(CLEAN)
    for digest, content in CLEAN.blobs.items():
        observer = await small_world.gate.observe_upload()
        if observer is not None:
            await observer.feed(content)
            await observer.finish(digest)

    await small_world.push_manifest(CLEAN)

    assert small_world.pool.begun == 0


async def test_a_layer_is_read_once_for_all_images_that_have_it(small_world: World) -> None:
    await small_world.push(image(debian(), {"one": b"1"}))
    await small_world.push(image(debian(), {"two": b"2"}))

    assert small_world.pool.begun == 3


async def test_what_was_observed_counts_only_for_the_bytes_that_were_observed(small_world: World) -> None:
    """Whoever says one digest and uploads other bytes has proven nothing."""
    (layer,), (other,) = layers_of(CLEAN), layers_of(OTHER)
    observer = await small_world.gate.observe_upload()
    assert observer is not None
    await observer.feed(OTHER.blobs[other])
    await observer.finish(layer)

    await small_world.push(CLEAN)

    assert small_world.pool.begun == 1


async def test_t43_an_index_is_admitted_with_its_images(world: World) -> None:
    both = index(CLEAN, image(debian(), architecture="arm64"))

    await world.push(both)

    assert await world.behind(LATEST) == both.digest
    for child in both.children:
        assert await world.behind(child.digest) == child.digest


async def test_t43_an_index_whose_child_was_refused_cannot_be_pushed(world: World) -> None:
    both = index(CLEAN, WITH_SSH)
    await world.upload(both)
    await world.push_manifest(CLEAN, CLEAN.digest)
    with pytest.raises(DeniedError):
        await world.push_manifest(WITH_SSH, WITH_SSH.digest)

    with pytest.raises(ManifestBlobUnknownError, match=f"manifest {WITH_SSH.digest}, which the index lists"):
        await world.push_manifest(both)

    assert await world.behind(LATEST) is None


async def test_t43_an_index_is_as_bad_as_the_worst_image_it_lists(world: World) -> None:
    """The child got onto the upstream past the gate."""
    both = index(CLEAN, WITH_SSH)
    await world.put_behind(CLEAN, CLEAN.digest)
    await world.put_behind(WITH_SSH, WITH_SSH.digest)

    with pytest.raises(DeniedError, match=rf"ssh in usr/bin/ssh of layer .* of image {WITH_SSH.digest}: a tool"):
        await world.push_manifest(both)

    assert await world.behind(LATEST) is None


async def test_t43_a_nested_index_is_judged_to_its_leaves(world: World) -> None:
    inner = index(WITH_SSH)
    outer = index(inner)
    await world.change_policy(policy_text())
    await world.push(outer)
    await world.change_policy(policy_text(deny=REFUSE_SSH))

    for manifest in (outer, inner, WITH_SSH):
        with pytest.raises(DeniedError, match="ssh in usr/bin/ssh"):
            await world.pull(manifest.digest)


async def test_an_attestation_beside_the_images_of_an_index_is_not_an_image(world: World) -> None:
    """What docker buildx pushes by default."""
    statement = b'{"_type": "https://in-toto.io/Statement/v0.1"}'
    config = b'{"architecture": "unknown", "os": "unknown", "config": {}, "rootfs": {"type": "layers", "diff_ids": []}}'
    body = {
        "schemaVersion": 2,
        "mediaType": media_types.OCI_MANIFEST,
        "config": descriptor(config, media_types.OCI_CONFIG),
        "layers": [descriptor(statement, "application/vnd.in-toto+json")],
    }
    attestation = TestImage(
        json.dumps(body).encode(),
        media_types.OCI_MANIFEST,
        {Digest.of(statement): statement, Digest.of(config): config},
    )
    await world.change_policy(
        policy_text(
            deny={"root_user": {"effect": "reject"}}, require={"vetted_packages": {"purls": ["pkg:deb/debian/*"]}}
        )
    )
    both = index(CLEAN, attestation)

    await world.push(both)

    assert await world.behind(LATEST) == both.digest
    assert (await world.pull(attestation.digest)).digest == attestation.digest
