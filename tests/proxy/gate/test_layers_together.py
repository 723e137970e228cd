"""The layers of one image are inspected side by side as far as nobody else needs the workers (threat 75)."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from proxy.errors import DeniedError
from tests.images import debian, image
from tests.proxy.gate.conftest import MakeWorld
from tests.proxy.gate.world import LATEST, WatchedPool, World, layers_of
from tests.simulators import MemoryUpstream

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(60)]

THREE = image(debian(), {"one": b"1"}, {"two": b"2"})


@pytest_asyncio.fixture(loop_scope="session")
async def world(make_world: MakeWorld) -> AsyncIterator[World]:
    """A gate with two workers, and an image behind it that nobody has inspected."""
    pool = WatchedPool(size=2)
    await pool.start()
    world = make_world(MemoryUpstream(), with_pool=pool)
    await world.put_behind(THREE)
    yield world
    pool.gate.set()
    await pool.close()


async def test_as_many_layers_are_read_at_a_time_as_there_are_idle_workers(world: World) -> None:
    world.pool.gate.clear()
    pulling = asyncio.create_task(world.pull())

    await world.pool.waits_for(2)
    assert world.pool.begun == 2
    world.pool.gate.set()

    assert (await pulling).digest == THREE.digest
    assert world.pool.begun == 3


async def test_t75_an_image_waits_for_one_worker_at_a_time_while_others_are_at_work(world: World) -> None:
    busy = [await world.pool.begin() for _ in range(2)]
    pulling = asyncio.create_task(world.pull())

    for number, running in enumerate(busy, 1):
        await world.pool.waits_for(2 + number)
        assert world.pool.begun == 2 + number
        await running.abandon()

    assert (await pulling).digest == THREE.digest


async def test_a_layer_that_is_missing_is_told_whatever_the_others_are_at(world: World) -> None:
    missing = layers_of(THREE)[1]
    await world.upstream.delete_blob(world.repository, missing)
    with pytest.raises(DeniedError, match=f"layer {missing} is not in repository"):
        await world.pull(LATEST)
