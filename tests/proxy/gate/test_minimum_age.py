"""A package version that the gate has known for too short a time waits, and then goes on by itself."""

import asyncio

import pytest

from proxy.errors import DeniedError
from scanning.oci.names import Tag
from scanning.verdict import Outcome
from storage import sightings
from storage.schema import package_sightings
from tests.images import debian, image, index
from tests.proxy.gate.world import LATEST, World, policy_text

pytestmark = pytest.mark.asyncio(loop_scope="session")

DAY = 86400
OLD = image(debian(("openssl", "3.0.15-1")))
NEW = image(debian(("openssl", "3.0.16-1")))
BUILT_ON_NEW = image(debian(("openssl", "3.0.16-1")), {"app/run": b"x"})
NEW_ON_ARM = image(debian(("openssl", "3.0.16-1")), architecture="arm64")
WAITS = {"minimum_age": {"age": "7d", "purls": ["pkg:deb/**"]}}
WAITING = policy_text(require=WAITS)


async def test_a_new_version_waits_and_is_promoted_when_it_is_old_enough(world: World) -> None:
    await world.push(OLD, Tag("old"))
    await world.wait(8 * DAY)
    await world.change_policy(WAITING)
    await world.push(OLD)
    assert (await world.pull()).body == OLD.manifest

    pushed = await world.push(NEW)

    first = (await world.verdict(NEW.digest)).judged_at
    assert "openssl 3.0.16-1" in pushed.warnings[0]
    assert "it is seen here for the first time, and a version must have been known for 7d" in pushed.warnings[0]
    assert await world.behind(LATEST) == OLD.digest
    await world.wait(6 * DAY)
    await world.gate.promotion.judge_due(world.time.now())
    assert await world.behind(LATEST) == OLD.digest
    with pytest.raises(DeniedError, match=f"it was first seen here on {first:%Y-%m-%d %H:%M} UTC"):
        await world.pull(NEW.digest)
    await world.wait(DAY)
    await world.gate.promotion.judge_due(world.time.now())
    assert await world.behind(LATEST) == NEW.digest
    assert (await world.pull()).body == NEW.manifest


async def test_the_verdict_is_made_again_from_what_was_known_then(small_world: World) -> None:
    await small_world.change_policy(WAITING)
    await small_world.push(NEW)
    waiting = await small_world.verdict(NEW.digest)
    await small_world.wait(8 * DAY)
    await small_world.gate.promotion.judge_due(small_world.time.now())

    admitted = await small_world.verdict(NEW.digest)

    assert (waiting.outcome, admitted.outcome) == (Outcome.QUARANTINE, Outcome.ADMIT)
    assert await small_world.replay.again(waiting) == waiting
    assert await small_world.replay.again(admitted) == admitted


async def test_what_was_seen_before_anybody_asked_or_was_refused_counts(small_world: World) -> None:
    await small_world.change_policy(policy_text(deny={"packages": {"purls": ["pkg:deb/debian/openssl"]}}))
    with pytest.raises(DeniedError, match=r"deny.packages"):
        await small_world.push(NEW)
    await small_world.wait(8 * DAY)
    await small_world.change_policy(WAITING)

    assert (await small_world.push(NEW)).warnings == ()


async def test_what_a_gate_had_on_record_before_it_kept_these_records_was_seen_then(small_world: World) -> None:
    await small_world.push(NEW)
    async with small_world.database.transaction() as tx:
        await tx.execute(package_sightings.delete())
    await small_world.wait(8 * DAY)
    await small_world.change_policy(WAITING)

    assert (await small_world.pull()).body == NEW.manifest
    assert (await small_world.push(BUILT_ON_NEW)).warnings == ()


async def test_versions_have_one_age_on_every_architecture_and_in_an_index(small_world: World) -> None:
    await small_world.push(NEW, Tag("amd64"))
    await small_world.wait(8 * DAY)
    await small_world.change_policy(WAITING)

    assert (await small_world.push(index(NEW, NEW_ON_ARM))).warnings == ()


async def test_the_first_of_several_at_once_counts(small_world: World) -> None:
    await small_world.change_policy(WAITING)
    begun = small_world.time.now()

    await asyncio.gather(*(small_world.push(one, Tag(f"t{n}")) for n, one in enumerate((NEW, BUILT_ON_NEW))))

    async with small_world.database.snapshot() as tx:
        known = await sightings.find(tx, ["pkg:deb/debian/openssl@3.0.16-1"])
    judged = [verdict.judged_at for verdict in await small_world.verdicts()]
    assert begun <= known["pkg:deb/debian/openssl@3.0.16-1"] == min(judged)


async def test_what_an_admin_vetted_need_not_wait(small_world: World) -> None:
    await small_world.change_policy(WAITING)
    await small_world.push(NEW)
    assert await small_world.behind(LATEST) is None

    await small_world.approve_packages("pkg:deb/debian/openssl@3.0.16-1")

    assert await small_world.behind(LATEST) == NEW.digest


async def test_what_an_approved_base_brought_need_not_wait(small_world: World) -> None:
    await small_world.push(NEW, Tag("base"))
    await small_world.approve_base(NEW)
    await small_world.change_policy(WAITING)

    assert (await small_world.push(BUILT_ON_NEW)).warnings == ()


async def test_what_is_exempt_or_not_named_need_not_wait(small_world: World) -> None:
    for changed in ({"exempt": ["pkg:deb/debian/openssl@>=3"]}, {"purls": ["pkg:npm/**"]}):
        await small_world.change_policy(policy_text(require={"minimum_age": WAITS["minimum_age"] | changed}))
        assert (await small_world.push(NEW)).warnings == ()
