"""An admin makes and ends exceptions, and what rests on them is judged anew."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
import pytest_asyncio

from config.policy import Waiver
from proxy.errors import BadRequestError, DeniedError, NotFoundError
from proxy.gate.policy import PolicyInForce
from proxy.gate.waiving import end, in_force_now, waive
from proxy.identity.administrator import Administrator
from scanning.verdict import Outcome
from storage import verdicts
from storage.audit import Event
from storage.errors import StorageUnavailableError
from storage.waivers import WaiverRecord
from tests.images import File, debian, image
from tests.proxy.gate.world import LATEST, World, policy_text

pytestmark = pytest.mark.asyncio(loop_scope="session")

ALICE = Administrator("alice", "console")
WITH_SSH = image(debian(), {"usr/bin/ssh": File(b"\x7fELF", 0o755)})
REFUSES_SSH = {"tools": {"kinds": ["ssh-client"], "effect": "quarantine"}}
WAITS = policy_text(deny=REFUSES_SSH)

See = Callable[[], Awaitable[None]]


@pytest_asyncio.fixture(loop_scope="session")
async def see(small_world: World) -> See:
    """Let the gate look for exceptions and at its policy, as a running gate does; an image waits because of ssh."""

    async def changed(_: PolicyInForce) -> None:
        await small_world.gate.promotion.reconsider_all()

    await small_world.change_policy(WAITS)
    await small_world.policy.take(partial(in_force_now, small_world.database, small_world.time.now))
    await small_world.push(WITH_SSH)
    return partial(small_world.policy.reload_if_changed, changed)


def wanted(world: World, **more: Any) -> Waiver:
    """An exception of ssh for a day."""
    values = {
        "repositories": (str(world.repository),),
        "tools": ("ssh-client",),
        "reason": "until it moves",
        "author": "bob",
        "expires": world.time.now() + timedelta(days=1),
    }
    return Waiver.model_validate(values | more)


async def made(world: World, **more: Any) -> WaiverRecord:
    """Make it as alice."""
    world.time.passed += 1
    return await waive(world.database, wanted(world, **more), ALICE, world.time.now())


async def test_what_waits_is_let_go_by_an_exception_and_refused_once_it_has_ended(small_world: World, see: See) -> None:
    with pytest.raises(DeniedError, match=r"deny\.tools"):
        await small_world.pull()

    record = await made(small_world)
    await see()

    assert await small_world.behind(LATEST) == WITH_SSH.digest
    assert (await small_world.pull()).digest == WITH_SSH.digest
    verdict = await small_world.verdict(WITH_SSH.digest)
    assert (verdict.outcome, len(verdict.waived)) == (Outcome.ADMIT, 1)

    small_world.time.passed += 1
    await end(small_world.database, record.waiver.id, ALICE, small_world.time.now())
    await see()
    with pytest.raises(DeniedError, match=r"deny\.tools"):
        await small_world.pull()

    trail = {one.event: one for one in await small_world.audited()}
    for event in (Event.WAIVER_CREATED, Event.WAIVER_ENDED):
        assert trail[event].actor == "alice"
        assert f"exception {record.waiver.id} of ssh-client in {small_world.repository} " in trail[event].detail
        assert "author bob: until it moves" in trail[event].detail


async def test_verdicts_are_made_again_from_the_exceptions_of_their_time(small_world: World, see: See) -> None:
    record = await made(small_world)
    await see()
    await end(small_world.database, record.waiver.id, ALICE, small_world.time.now())
    await see()
    with pytest.raises(DeniedError):
        await small_world.pull()
    every = await small_world.verdicts()
    assert {verdict.outcome for verdict in every} == {Outcome.QUARANTINE, Outcome.ADMIT}
    assert [await small_world.replay.again(verdict) for verdict in every] == list(every)
    admitted = next(verdict for verdict in every if verdict.outcome is Outcome.ADMIT)
    _, policy = await small_world.replay.case(admitted)
    assert policy.waivers == (record.waiver,)


async def test_it_ends_by_itself(small_world: World, see: See) -> None:
    await made(small_world)
    await see()
    await small_world.pull()

    small_world.time.passed += timedelta(days=1).total_seconds()

    with pytest.raises(DeniedError, match=r"deny\.tools"):
        await small_world.pull()
    await see()
    assert small_world.policy.exceptions == ()


@pytest.mark.parametrize("other", [{"repositories": ("elsewhere/**",)}, {"digest": f"sha256:{'0' * 64}"}])
async def test_it_holds_where_it_says_only(small_world: World, see: See, other: dict[str, Any]) -> None:
    await made(small_world, **other)
    await see()
    with pytest.raises(DeniedError, match=r"deny\.tools"):
        await small_world.pull()


async def test_only_what_an_exception_can_concern_is_judged_again(small_world: World, see: See) -> None:
    clean = image(debian())
    await small_world.push(clean)

    async def judged() -> str:
        await small_world.pull()
        return (await small_world.verdict(clean.digest)).id

    first = await judged()
    elsewhere = await made(small_world, repositories=("elsewhere/**",))
    await see()
    assert elsewhere.waiver in small_world.policy.current.policy.waivers
    assert await judged() == first

    here = await made(small_world, repositories=("elsewhere/**", str(small_world.repository)))
    await see()
    second = await judged()
    assert second != first
    await end(small_world.database, elsewhere.waiver.id, ALICE, small_world.time.now())
    await see()
    assert await judged() == second

    await end(small_world.database, here.waiver.id, ALICE, small_world.time.now())
    await see()
    small_world.time.passed += 1
    assert await judged() not in (first, second)


async def test_a_verdict_that_names_the_whole_policy_only_stands_while_that_is_the_same(
    small_world: World, see: See
) -> None:
    """As those on record from before."""
    clean = image(debian())
    await small_world.push(clean)
    last = await small_world.verdict(clean.digest)
    old = replace(last, id="old", inputs=replace(last.inputs, policy_here=None))
    async with small_world.database.transaction() as tx:
        await verdicts.append(tx, old)

    await small_world.pull()
    assert await small_world.verdict(clean.digest) == old
    await made(small_world)
    await see()
    await small_world.pull()
    assert await small_world.verdict(clean.digest) != old


async def test_exceptions_stay_when_the_policy_changes_and_the_policy_when_they_cannot_be_read(
    small_world: World, see: See
) -> None:
    await made(small_world)
    before = small_world.policy.current.digest
    small_world.policy_path.write_text(policy_text(deny=REFUSES_SSH | {"secrets": {}}))
    await see()
    assert small_world.policy.current.digest != before
    await small_world.pull()
    current = small_world.policy.current

    async def fail() -> tuple[Waiver, ...]:
        raise StorageUnavailableError("the database is down")

    with pytest.raises(StorageUnavailableError):
        await small_world.policy.take(fail)
    await see()
    assert small_world.policy.current is current


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"reason": " "}, "needs a reason"),
        ({"reason": "x" * 4097}, "needs a reason"),
        ({"author": "x" * 129}, "an author"),
        ({"reason": "a\0b"}, "NUL"),
        ({"findings": ("",)}, "findings is empty"),
        ({"findings": ("CVE-1",) * 1000}, "at most 1000 things"),
        ({"expires": "2020-01-01T00:00:00Z"}, "has ended already"),
    ],
)
async def test_what_is_no_exception_is_refused(small_world: World, wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(BadRequestError, match=said):
        await made(small_world, **wrong)
    assert await in_force_now(small_world.database, small_world.time.now) == ()


async def test_one_that_counts_no_more_is_not_ended_again(small_world: World) -> None:
    ended, expired = (
        await made(small_world),
        await made(small_world, expires=small_world.time.now() + timedelta(hours=1)),
    )
    await end(small_world.database, ended.waiver.id, ALICE, small_world.time.now())
    small_world.time.passed += 3601
    for waiver_id in (ended.waiver.id, expired.waiver.id, "0123456789abcdef"):
        with pytest.raises(NotFoundError, match="imagegate waiver list shows them"):
            await end(small_world.database, waiver_id, ALICE, small_world.time.now())
