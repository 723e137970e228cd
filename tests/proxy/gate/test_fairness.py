"""Inspection is shared fairly among those who wait for it (threat 75)."""

import asyncio

import pytest

from proxy.errors import TooManyRequestsError
from proxy.identity.principal import Caller, Role
from scanning.oci.names import Tag
from tests.images import TestImage, debian, image
from tests.proxy.gate.conftest import MakeWorld
from tests.proxy.gate.world import World, caller
from tests.simulators import MemoryUpstream

pytestmark = pytest.mark.asyncio(loop_scope="session")

WAITING = 32
"""What one token may have waiting, unless the settings say otherwise."""


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    """Nothing here depends on the upstream."""
    return make_world(MemoryUpstream())


def images(name: str, count: int) -> list[tuple[TestImage, Tag]]:
    """Images of one layer each, that nobody has inspected."""
    return [
        (image(debian(), {"name": f"{name} {number}".encode()}), Tag(f"{name}-{number}")) for number in range(count)
    ]


async def put_behind(world: World, *unknown: tuple[TestImage, Tag]) -> None:
    """Put images past the gate, the base of all of which is known to it."""
    await world.push(image(debian()))
    world.pool.reset()
    for each, tag in unknown:
        await world.put_behind(each, tag)


async def test_t75_many_images_of_one_token_do_not_keep_the_image_of_another_waiting(world: World) -> None:
    greedy, modest = caller(Role.OPERATOR, "greedy"), caller(Role.OPERATOR, "modest")
    many, (one,) = images("many", 6), images("one", 1)
    await put_behind(world, *many, one)
    order: list[str] = []

    async def pull(who: Caller, tag: Tag) -> None:
        await world.pull(tag, who)
        order.append(who.principal.name)

    busy = await world.pool.try_begin()
    assert busy is not None
    pulls = [asyncio.create_task(pull(greedy, tag)) for _, tag in many]
    await world.pool.waits_for(len(many))
    pulls.append(asyncio.create_task(pull(modest, one[1])))
    await world.pool.waits_for(len(many) + 1)

    await busy.abandon()

    await asyncio.gather(*pulls)
    assert order.index("modest") <= 2


@pytest.mark.parametrize("does", ["pull", "push"])
async def test_t75_who_asks_for_too_much_is_told_when_to_ask_again(world: World, does: str) -> None:
    greedy, modest = caller(Role.DEVELOPER, "greedy"), caller(Role.DEVELOPER, "modest")
    many, (one, another) = images("many", WAITING), images("one", 2)
    await put_behind(world, *many, one, another)

    async def ask(who: Caller, asked: tuple[TestImage, Tag]) -> None:
        if does == "pull":
            await world.pull(asked[1], who)
        else:
            await world.push_manifest(*asked, who)

    busy = await world.pool.try_begin()
    assert busy is not None
    waiting = [asyncio.create_task(ask(greedy, asked)) for asked in many]
    await world.pool.waits_for(WAITING)

    with pytest.raises(TooManyRequestsError, match="wait to be inspected already; push or pull less") as refused:
        await ask(greedy, one)

    assert refused.value.retry_after == 10
    waiting.append(asyncio.create_task(ask(modest, another)))
    await busy.abandon()
    await asyncio.gather(*waiting)
    await ask(greedy, one)
