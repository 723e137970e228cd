"""An image that passes a limit of the inspection is refused by its name, and admitted once that is raised."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

import pytest
import pytest_asyncio

from proxy.errors import DeniedError
from proxy.upstream.embedded import EmbeddedUpstream
from scanning.layers.limits import InspectionLimits
from scanning.verdict import Outcome
from tests.images import debian, dpkg_status, image
from tests.proxy.gate.conftest import MakeWorld
from tests.proxy.gate.world import WatchedPool, World
from tests.scanning.packages.test_java import archive

pytestmark = pytest.mark.asyncio(loop_scope="session")

NESTED = archive({"lib/inner.jar": archive({"lib/innermost.jar": archive({"a": b"b"})})})
IMAGE = image(debian() | {"app/outer.jar": NESTED})
LOW = InspectionLimits(archive_depth=2, path_depth=4)

MakePool = Callable[[InspectionLimits], Awaitable[WatchedPool]]


@pytest_asyncio.fixture(loop_scope="session")
async def start_pool() -> AsyncIterator[MakePool]:
    """Starts workers with limits of their own."""
    started: list[WatchedPool] = []

    async def start(limits: InspectionLimits) -> WatchedPool:
        pool = WatchedPool(limits)
        started.append(pool)
        await pool.start()
        return pool

    yield start
    for pool in started:
        await pool.close()


async def push_watched(world: World) -> None:
    """Push the image as clients do, the gate looking at its blobs as they come."""
    for digest, content in IMAGE.blobs.items():
        observer = await world.gate.observe_upload()
        if observer is not None:
            await observer.feed(content)
            await observer.finish(digest)
    await world.push(IMAGE)


@pytest.mark.parametrize("limits", [LOW, replace(LOW, path_depth=2)], ids=["of a file", "of a layer"])
async def test_what_a_low_limit_refused_is_admitted_once_it_is_raised(
    limits: InspectionLimits, embedded: EmbeddedUpstream, make_world: MakeWorld, start_pool: MakePool
) -> None:
    strict = make_world(embedded, with_pool=await start_pool(limits))
    changed = "path_depth" if limits.path_depth == 2 else "archive_depth"
    with pytest.raises(DeniedError) as refused:
        await push_watched(strict)
    sentence = str(refused.value)
    assert f"the inspection limit {changed} of 2 is passed; raise inspection.{changed} if this is expected" in sentence
    assert ("app/outer.jar!/lib/inner.jar!/lib/innermost.jar" in sentence) is (changed == "archive_depth")

    generous = make_world(embedded, with_pool=await start_pool(InspectionLimits()))
    generous.repository = strict.repository
    await push_watched(generous)
    assert (await generous.verdict(IMAGE.digest)).outcome is Outcome.ADMIT


async def test_t114_so_is_an_image_whose_layers_have_too_many_packages_together(
    embedded: EmbeddedUpstream, make_world: MakeWorld, start_pool: MakePool
) -> None:
    crowded = image(debian(("bash", "5.2")), {"var/lib/dpkg/status.d/dash": dpkg_status(("dash", "0.5"))})
    strict = make_world(embedded, with_pool=await start_pool(InspectionLimits(packages=1)))
    with pytest.raises(DeniedError, match=r"limit packages of 1 is passed; raise inspection\.packages if this"):
        await strict.push(crowded)

    enough = make_world(embedded, with_pool=await start_pool(InspectionLimits(packages=2)))
    enough.repository = strict.repository
    await enough.push(crowded)
    assert (await enough.verdict(crowded.digest)).outcome is Outcome.ADMIT
