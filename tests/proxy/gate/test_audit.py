"""Every decision is one record: who, from where, about what, with which verdict, in which request."""

from dataclasses import replace

import pytest

from proxy.errors import DeniedError, ManifestUnknownError
from proxy.identity.principal import Role
from scanning.errors import InvalidManifestError
from scanning.oci.names import Tag
from storage.audit import AuditRecord, Event
from tests.images import File, TestImage, debian, image, index
from tests.proxy.gate.signing import legacy_signature
from tests.proxy.gate.world import LATEST, REFUSE_SSH, World, caller, policy_text, wants_signature
from tests.scanning.signatures.signing import new_key, pem

pytestmark = pytest.mark.asyncio(loop_scope="session")

KEY = new_key()
CLEAN = image(debian())
WITH_SSH = image(debian(), {"usr/bin/ssh": File(b"\x7fELF", 0o755)})


def record(world: World, event: Event, outcome: str, image: TestImage, **more: str) -> AuditRecord:
    """What is expected of a decision about `image` under the tag `latest`."""
    who = world.pusher if event is Event.PUSH else world.operator
    expected = {
        "actor": who.principal.name,
        "address": "192.0.2.7",
        "request_id": who.request_id,
        "reference": "latest",
        "digest": str(image.digest),
        **more,
    }
    plain = AuditRecord(world.time.now(), event, "", "", outcome, str(world.repository))
    return replace(plain, **expected)  # type: ignore[arg-type]  # all of them are text


async def test_an_admission(world: World) -> None:
    await world.push(CLEAN)

    verdict = await world.verdict(CLEAN.digest)
    assert await world.audited() == [record(world, Event.PUSH, "admit", CLEAN, verdict=verdict.id)]


async def test_a_refusal(world: World) -> None:
    with pytest.raises(DeniedError):
        await world.push(WITH_SSH)

    verdict = await world.verdict(WITH_SSH.digest)
    assert await world.audited() == [record(world, Event.PUSH, "reject", WITH_SSH, verdict=verdict.id)]


async def test_a_quarantine_and_whoever_asks_for_what_is_held(world: World) -> None:
    await world.change_policy(policy_text(require=wants_signature()))
    await world.push(CLEAN)
    with pytest.raises(DeniedError):
        await world.pull()
    await world.pull(who=world.pusher)

    verdict = (await world.verdict(CLEAN.digest)).id
    held, denied, served = await world.audited()
    assert held == record(world, Event.PUSH, "quarantine", CLEAN, verdict=verdict)
    assert denied == record(world, Event.PULL, "denied", CLEAN, verdict=verdict)
    assert served == record(
        world, Event.PULL, "served", CLEAN, verdict=verdict, actor="ci", request_id=world.pusher.request_id
    )


async def test_a_manifest_that_cannot_be_read_in_one_way_only(world: World) -> None:
    ambiguous = TestImage(CLEAN.manifest.replace(b'"layers"', b'"Layers": [], "layers"'), CLEAN.media_type, CLEAN.blobs)
    with pytest.raises(InvalidManifestError) as refused:
        await world.push(ambiguous)

    assert await world.audited() == [record(world, Event.PUSH, "invalid", ambiguous, detail=str(refused.value))]


async def test_a_pull_that_is_served_and_a_head_that_only_asks(world: World) -> None:
    await world.push(CLEAN)
    await world.pull(head=True)
    await world.pull()

    verdict = (await world.verdict(CLEAN.digest)).id
    assert (await world.audited())[1:] == [record(world, Event.PULL, "served", CLEAN, verdict=verdict)]


@pytest.mark.parametrize("head", [False, True])
async def test_a_pull_that_is_refused(world: World, head: bool) -> None:
    await world.put_behind(WITH_SSH)
    with pytest.raises(DeniedError):
        await world.pull(head=head)

    verdict = (await world.verdict(WITH_SSH.digest)).id
    assert await world.audited() == [record(world, Event.PULL, "denied", WITH_SSH, verdict=verdict)]


async def test_a_pull_of_what_cannot_be_judged_at_all(world: World) -> None:
    sparse = index(index(index(index(index(index(CLEAN))))))
    await world.put_behind(sparse)
    with pytest.raises(DeniedError, match="nested more than 4 deep") as refused:
        await world.pull()

    assert await world.audited() == [record(world, Event.PULL, "denied", sparse, detail=str(refused.value))]


async def test_a_blob_that_is_refused(world: World) -> None:
    await world.change_policy(policy_text(require=wants_signature()))
    await world.push(CLEAN)
    blob = next(iter(CLEAN.blobs))
    with pytest.raises(DeniedError):
        await world.check_blob(blob)

    expected = record(world, Event.PULL, "denied", CLEAN, reference=str(blob), digest=str(blob), detail="blob")
    assert (await world.audited())[1:] == [expected]


async def test_a_promotion(world: World) -> None:
    await world.change_policy(policy_text(signers={"release": pem(KEY)}, require=wants_signature("release")))
    await world.push(CLEAN)
    signature, tag = legacy_signature(KEY, CLEAN.digest)
    await world.push(signature, tag)

    pushed, signed, promoted = await world.audited()
    assert pushed.outcome == "quarantine"
    assert (signed.event, signed.outcome, signed.digest) == (Event.PUSH, "admit", str(signature.digest))
    assert promoted == record(
        world,
        Event.PROMOTE,
        "admit",
        CLEAN,
        actor="imagegate",
        address="",
        request_id="",
        reference=str(CLEAN.digest),
        detail="latest",
        verdict=(await world.verdict(CLEAN.digest)).id,
    )


async def test_what_audit_mode_lets_through_is_on_record_with_the_verdict_that_says_so(world: World) -> None:
    await world.change_policy(policy_text(deny=REFUSE_SSH, mode="audit"))
    await world.push(WITH_SSH)

    verdict = (await world.verdict(WITH_SSH.digest)).id
    assert await world.audited() == [record(world, Event.PUSH, "admit", WITH_SSH, verdict=verdict)]


async def test_a_deletion_and_one_of_what_is_not_there(world: World) -> None:
    await world.push(CLEAN)
    admin = caller(Role.ADMIN, "admin")

    await world.gate.delete_manifest(admin, world.repository, CLEAN.digest)
    with pytest.raises(ManifestUnknownError):
        await world.gate.delete_manifest(admin, world.repository, CLEAN.digest)

    assert await world.behind(LATEST) is None
    with pytest.raises(ManifestUnknownError):
        await world.pull()
    records = (await world.audited())[1:]
    assert [(found.event, found.actor, found.outcome) for found in records] == [
        (Event.DELETE, "admin", "begun"),
        (Event.DELETE, "admin", "deleted"),
        (Event.DELETE, "admin", "begun"),
        (Event.DELETE, "admin", "unknown"),
    ]


async def test_the_deletion_of_a_tag_that_only_waits(world: World) -> None:
    """docker-registry cannot delete tags, and does not hold this one."""
    await world.change_policy(policy_text(require=wants_signature()))
    await world.push(CLEAN, Tag("waiting"))

    await world.gate.delete_manifest(caller(Role.ADMIN, "admin"), world.repository, Tag("waiting"))

    with pytest.raises(ManifestUnknownError):
        await world.pull(Tag("waiting"), world.pusher)
    assert (await world.pull(CLEAN.digest, world.pusher)).body == CLEAN.manifest
    assert [found.outcome for found in await world.audited()][1:3] == ["begun", "deleted"]
