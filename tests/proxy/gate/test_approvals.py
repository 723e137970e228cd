"""An admin approves and revokes, and what rests on it is judged anew."""

import pytest

from proxy.errors import BadRequestError, DeniedError, ManifestUnknownError, NotFoundError
from proxy.gate.approving import approve_base, meant, revoke
from proxy.identity.administrator import Administrator
from scanning.oci.digest import Digest
from scanning.oci.names import ImageReference, Tag
from scanning.verdict import Outcome
from storage.audit import Event
from tests.images import File, debian, image, index
from tests.proxy.gate.world import LATEST, World, policy_text, wants_signature

pytestmark = pytest.mark.asyncio(loop_scope="session")

OS = debian(("base-files", "12.4"))
BASE = image(OS)
BUILT_ON_IT = image(OS, {"app/run": b"x"})
BUILT_ON_ANOTHER = image(debian(("base-files", "12.3")), {"app/run": b"x"})
WANTS_BASE = policy_text(require={"base": {}})
ON_TAG_BASE = Tag("base")


async def test_what_is_built_on_a_base_waits_until_it_is_approved_and_again_once_it_is_revoked(world: World) -> None:
    await world.push(BASE, ON_TAG_BASE)
    await world.change_policy(WANTS_BASE)
    await world.push(BUILT_ON_IT)
    with pytest.raises(DeniedError, match=r"no base image is approved for this repository \[require.base\]"):
        await world.pull()

    (approval,) = await world.approve_base(BASE)
    assert await world.behind(LATEST) == BUILT_ON_IT.digest
    assert (await world.pull()).body == BUILT_ON_IT.manifest
    assert (await world.verdict(BUILT_ON_IT.digest)).base == str(approval.approval.name)
    read = world.pool.begun

    await world.revoke(approval)
    with pytest.raises(DeniedError, match=r"\[require.base\]"):
        await world.pull()
    with pytest.raises(DeniedError):
        await world.check_blob(next(iter(BUILT_ON_IT.blobs)))
    assert world.pool.begun == read


async def test_a_push_just_after_an_approval_finds_it_and_the_rest_is_still_judged_again(world: World) -> None:
    await world.push(BASE, ON_TAG_BASE)
    await world.change_policy(WANTS_BASE)
    reference = ImageReference(world.repository, BASE.digest)
    told: list[Digest | None] = []

    async def tell() -> None:
        told.append(world.approvals.current.digest)

    await approve_base(world.database, reference, BASE.digest, world.act())

    assert not (await world.push(BUILT_ON_IT)).warnings
    for _ in range(2):
        await world.approvals.reload_if_changed(tell)
    assert told == [(await world.verdict(BUILT_ON_IT.digest)).inputs.approvals]


async def test_another_base_is_told_the_nearest_one(small_world: World) -> None:
    await small_world.push(BASE, ON_TAG_BASE)
    await small_world.approve_base(BASE)
    await small_world.change_policy(WANTS_BASE)

    pushed = await small_world.push(BUILT_ON_ANOTHER)

    (warning,) = pushed.warnings
    assert "begins with none of that image's 1 layer" in warning
    assert "deb/debian/base-files@12.4" in warning


async def test_every_image_of_an_index_is_approved(small_world: World) -> None:
    both = index(image(debian()), image(debian(), {"x": b"arm"}, architecture="arm64"))
    await small_world.push(both)

    made = await small_world.approve_base(both)

    assert len(made) == 2
    assert {base.content.platform for base in small_world.approvals.current.bases} == {"linux/amd64", "linux/arm64"}


async def test_approving_twice_is_approving_once(small_world: World) -> None:
    await small_world.push(BASE)
    assert await small_world.approve_base(BASE) == await small_world.approve_base(BASE)
    await small_world.approve_base(BASE, "team/**")
    assert len(small_world.approvals.current.bases) == 2


async def test_a_base_nobody_has_judged_cannot_be_approved(small_world: World) -> None:
    reference = ImageReference(small_world.repository, BASE.digest)
    with pytest.raises(ManifestUnknownError, match="was never judged"):
        await approve_base(small_world.database, reference, BASE.digest, small_world.act())


async def test_what_somebody_pushed_meanwhile_is_not_approved_in_the_place_of_what_was_looked_at(
    small_world: World,
) -> None:
    tagged = ImageReference(small_world.repository, ON_TAG_BASE)
    await small_world.push(BASE, ON_TAG_BASE)
    assert await meant(small_world.database, small_world.upstream, tagged) == BASE.digest

    await small_world.change_policy(policy_text(require=wants_signature()))
    await small_world.push(BUILT_ON_ANOTHER, ON_TAG_BASE)

    with pytest.raises(BadRequestError, match="name the one you have looked at") as refused:
        await meant(small_world.database, small_world.upstream, tagged)
    assert f"is {BASE.digest}, and {BUILT_ON_ANOTHER.digest} waits in quarantine" in str(refused.value)
    by_digest = ImageReference(small_world.repository, BASE.digest)
    assert await meant(small_world.database, small_world.upstream, by_digest) == BASE.digest


async def test_a_base_that_only_waits_in_quarantine_is_what_its_tag_means(small_world: World) -> None:
    await small_world.change_policy(policy_text(require=wants_signature()))
    await small_world.push(BASE, ON_TAG_BASE)

    tagged = ImageReference(small_world.repository, ON_TAG_BASE)
    assert await meant(small_world.database, small_world.upstream, tagged) == BASE.digest
    with pytest.raises(ManifestUnknownError, match="neither behind the gate nor in quarantine"):
        await meant(small_world.database, small_world.upstream, ImageReference(small_world.repository, Tag("none")))


async def test_an_image_without_layers_cannot_be_approved_since_everything_is_built_on_it(small_world: World) -> None:
    empty = image()
    await small_world.push(empty)
    with pytest.raises(BadRequestError, match="has no layers"):
        await small_world.approve_base(empty)


async def test_packages_that_are_approved_are_vetted(small_world: World) -> None:
    await small_world.change_policy(
        policy_text(require={"vetted_packages": {"purls": ["pkg:npm/**"], "effect": "quarantine"}})
    )
    await small_world.push(BASE)
    assert await small_world.behind(LATEST) is None

    approval = await small_world.approve_packages("pkg:deb/debian/base-files@12.4", repositories=["team/**"])
    assert await small_world.behind(LATEST) == BASE.digest

    await small_world.revoke(approval)
    with pytest.raises(DeniedError, match="is not vetted"):
        await small_world.pull()


async def test_nothing_is_approved_without_a_package(small_world: World) -> None:
    with pytest.raises(BadRequestError, match="no package"):
        await small_world.approve_packages()


async def test_what_is_not_in_force_cannot_be_revoked(small_world: World) -> None:
    with pytest.raises(NotFoundError, match="no approval nobody in force"):
        await revoke(small_world.database, "nobody", Administrator("bob", ""), small_world.time.now())


async def test_who_approved_and_revoked_what_is_audited(small_world: World) -> None:
    await small_world.push(BASE)
    (base,) = await small_world.approve_base(BASE)
    packages = await small_world.approve_packages("pkg:npm/left-pad@1.3.0")
    await small_world.revoke(base)

    said = [(one.event, one.actor, one.detail) for one in await small_world.audited() if one.event != Event.PUSH]

    name = f"{small_world.repository}@{BASE.digest}"
    assert said == [
        (Event.BASE_APPROVED, "alice", f"approval {base.approval.id} of {name} for **, owner team base: looked at"),
        (
            Event.PACKAGES_APPROVED,
            "alice",
            f"approval {packages.approval.id} of a list for **, owner team base: looked at",
        ),
        (Event.APPROVAL_REVOKED, "bob", f"approval {base.approval.id} of {name} for **, owner team base: looked at"),
    ]


async def test_verdicts_can_be_made_again_after_an_approval_was_revoked(small_world: World) -> None:
    await small_world.push(BASE, ON_TAG_BASE)
    await small_world.change_policy(WANTS_BASE)
    (approval,) = await small_world.approve_base(BASE)
    await small_world.push(BUILT_ON_IT)
    await small_world.revoke(approval)
    with pytest.raises(DeniedError):
        await small_world.pull()

    made = [one for one in await small_world.verdicts() if one.digest == BUILT_ON_IT.digest]

    assert [one.outcome for one in made] == [Outcome.ADMIT, Outcome.QUARANTINE]
    assert made[0].inputs.approvals is not None
    assert made[1].inputs.approvals is None
    for verdict in await small_world.verdicts():
        assert await small_world.replay.again(verdict) == verdict


async def test_where_nothing_was_approved_or_revoked_verdicts_stand(small_world: World) -> None:
    await small_world.push(BASE)
    await small_world.approve_base(BASE)
    await small_world.pull()
    judged = len(await small_world.verdicts())
    await small_world.approve_base(BASE)
    await small_world.pull()
    assert len(await small_world.verdicts()) == judged


async def test_a_base_is_approved_with_its_unowned_programs_and_a_swapped_one_is_refused(small_world: World) -> None:
    vetted = {"vetted_packages": {"purls": [], "from_base": True, "unowned": True}}
    script, another = b"#!/bin/sh\necho hello\n", b"#!/bin/sh\necho mine\n"
    system = OS | {"usr/local/bin/app": File(script, 0o755)}
    await small_world.push(image(system), ON_TAG_BASE)
    await small_world.approve_base(image(system))
    await small_world.change_policy(policy_text(require=vetted))

    assert (await small_world.push(image(system, {"opt/app": File(script, 0o700)}))).warnings == ()
    with pytest.raises(DeniedError, match=r"H35 program of the approved base image that was replaced in usr/local/bin"):
        await small_world.push(image(system, {"usr/local/bin/app": File(another, 0o755)}))
