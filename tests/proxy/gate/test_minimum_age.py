"""A package version that the gate has known for too short a time waits, and then goes on by itself."""

import asyncio
from datetime import timedelta

import pytest

from proxy.errors import DeniedError
from scanning.oci.names import Tag
from scanning.verdict import Outcome
from storage import sightings
from storage.forgetting import Bounds, forget
from storage.schema import package_sightings
from tests.images import debian, image, index
from tests.proxy.gate.world import LATEST, REFUSE_SSH, World, policy_text

pytestmark = pytest.mark.asyncio(loop_scope="session")

DAY = 86400
OLD = image(debian(("openssl", "3.0.15-1")))
NEW = image(debian(("openssl", "3.0.16-1")))
OPENSSL = "pkg:deb/debian/openssl@3.0.16-1"
NEW_WITH_SSH = image(debian(("openssl", "3.0.16-1")), {"usr/bin/ssh": b"\x7fELF ssh"})
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


async def test_what_was_seen_before_anybody_asked_counts(small_world: World) -> None:
    await small_world.push(NEW)
    await small_world.wait(8 * DAY)
    await small_world.change_policy(WAITING)

    assert (await small_world.push(BUILT_ON_NEW)).warnings == ()


async def test_t112_a_refused_push_gives_a_version_no_age(small_world: World) -> None:
    await small_world.change_policy(policy_text(require=WAITS, deny=REFUSE_SSH))
    for _ in range(2):
        with pytest.raises(DeniedError, match=r"deny.tools"):
            await small_world.push(NEW_WITH_SSH)
        await small_world.wait(8 * DAY)

    assert "it is seen here for the first time" in (await small_world.push(NEW)).warnings[0]


async def test_t112_nor_does_one_in_an_index_that_is_refused(small_world: World) -> None:
    await small_world.change_policy(policy_text())
    await small_world.push(NEW_WITH_SSH, Tag("before"))
    async with small_world.database.transaction() as tx:
        await tx.execute(package_sightings.delete())
    await small_world.change_policy(policy_text(require=WAITS, deny=REFUSE_SSH))
    with pytest.raises(DeniedError, match=r"deny.tools"):
        await small_world.push(index(NEW_WITH_SSH))
    async with small_world.database.snapshot() as tx:
        assert await sightings.find(tx, [OPENSSL]) == {}


async def test_what_is_refused_for_its_age_alone_grows_older_all_the_same(small_world: World) -> None:
    await small_world.change_policy(policy_text(require={"minimum_age": WAITS["minimum_age"] | {"effect": "reject"}}))
    with pytest.raises(DeniedError, match=r"require.minimum_age"):
        await small_world.push(NEW)
    await small_world.wait(8 * DAY)

    assert (await small_world.push(NEW)).warnings == ()


async def test_what_is_judged_again_and_again_is_not_forgotten_and_costs_a_write_a_month(small_world: World) -> None:
    await small_world.push(NEW)
    for another in (BUILT_ON_NEW, NEW_ON_ARM):
        await small_world.wait(20 * DAY)
        await small_world.push(another, Tag("again"))
    async with small_world.database.snapshot() as tx:
        known = (await sightings.find(tx, [OPENSSL]))[OPENSSL]
    judged = [verdict.judged_at for verdict in await small_world.verdicts()]
    assert (known.first, known.last) == (min(judged), max(judged))


async def test_an_image_on_record_keeps_its_age_when_the_versions_in_it_are_forgotten(small_world: World) -> None:
    await small_world.push(NEW)
    await small_world.wait(400 * DAY)
    now = small_world.time.now()
    bounds = Bounds(now - timedelta(days=365), now - timedelta(days=1))
    assert (await forget(small_world.database, bounds)).packages
    await small_world.change_policy(WAITING)

    assert (await small_world.pull()).body == NEW.manifest


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
        known = (await sightings.find(tx, [OPENSSL]))[OPENSSL]
    judged = [verdict.judged_at for verdict in await small_world.verdicts()]
    assert begun <= known.first == min(judged)


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
