"""Inspection behind the uploads: they are observed by nobody, and their manifest waits for what is being read."""

import asyncio

import pytest

from proxy.errors import DeniedError, ManifestBlobUnknownError
from scanning.oci.digest import Digest
from scanning.oci.names import Repository
from scanning.verdict import Outcome
from storage import layers
from tests.images import File, TestImage, debian, image
from tests.proxy.gate.world import BUSY_RATE, LATEST, World, layers_of

pytestmark = pytest.mark.asyncio(loop_scope="session")

CLEAN = image(debian(), {"one": b"1"}, {"two": b"2"})
OTHER = image({"three": b"3"})
WITH_SSH = image(debian(), {"usr/bin/ssh": File(b"\x7fELF", 0o755)})


async def upload(world: World, pushed: TestImage) -> None:
    """As the registry's face does where nobody observes."""
    await world.upload(pushed)
    for digest in pushed.blobs:
        world.gate.blob_uploaded(world.pusher, world.repository, digest)


async def kept(world: World, digest: Digest) -> bool:
    async with world.database.snapshot() as tx:
        return digest in await layers.find(tx, (digest,))


async def test_no_upload_is_observed(deferred_world: World) -> None:
    assert await deferred_world.gate.observe_upload() is None


async def test_the_manifest_waits_for_what_is_being_read_and_has_nothing_read_twice(deferred_world: World) -> None:
    deferred_world.pool.gate.clear()
    await upload(deferred_world, CLEAN)
    await deferred_world.pool.waits_for(len(CLEAN.blobs))
    pushing = asyncio.create_task(deferred_world.push_manifest(CLEAN))
    await asyncio.sleep(0)
    assert not pushing.done()

    deferred_world.pool.gate.set()
    await pushing

    assert deferred_world.pool.begun == len(CLEAN.blobs)
    assert await deferred_world.behind(LATEST) == CLEAN.digest


async def test_what_was_read_behind_an_upload_refuses_its_image(deferred_world: World) -> None:
    await upload(deferred_world, WITH_SSH)
    with pytest.raises(DeniedError, match="ssh in usr/bin/ssh"):
        await deferred_world.push_manifest(WITH_SSH)


async def test_a_configuration_read_behind_leaves_no_trace(deferred_world: World) -> None:
    await upload(deferred_world, CLEAN)
    await deferred_world.push_manifest(CLEAN)
    (configuration,) = set(CLEAN.blobs) - set(layers_of(CLEAN))

    assert all([await kept(deferred_world, digest) for digest in layers_of(CLEAN)])
    assert not await kept(deferred_world, configuration)


async def test_what_is_known_is_not_read_behind_an_upload_again(deferred_world: World) -> None:
    await upload(deferred_world, CLEAN)
    await deferred_world.push_manifest(CLEAN)
    begun = deferred_world.pool.begun
    for digest in layers_of(CLEAN):
        deferred_world.gate.blob_uploaded(deferred_world.pusher, deferred_world.repository, digest)
    await deferred_world.push_manifest(CLEAN)
    assert deferred_world.pool.begun == begun


async def test_t75_many_uploads_are_not_all_read_ahead(deferred_world: World) -> None:
    many = [image({f"file{number}": b"x"}) for number in range(12)]
    deferred_world.pool.gate.clear()
    for one in many:
        await upload(deferred_world, one)
    await deferred_world.pool.waits_for(8)
    pushing = [asyncio.create_task(deferred_world.push_manifest(one, one.digest)) for one in many]
    deferred_world.pool.gate.set()
    await asyncio.gather(*pushing)

    for one in many:
        assert await deferred_world.behind(one.digest) == one.digest


async def test_nothing_is_read_behind_while_uploads_need_the_machine(deferred_world: World) -> None:
    world = deferred_world
    world.gate.bytes_uploaded(BUSY_RATE)
    await upload(world, CLEAN)
    await world.push(OTHER)
    assert world.pool.begun == len(layers_of(OTHER))

    world.time.passed += 10

    await world.pool.waits_for(len(layers_of(OTHER)) + len(CLEAN.blobs))


async def test_a_manifest_has_its_layers_read_though_uploads_go_on(deferred_world: World) -> None:
    world = deferred_world
    world.gate.bytes_uploaded(1000 * BUSY_RATE)
    await upload(world, CLEAN)
    await upload(world, OTHER)

    await world.push_manifest(CLEAN)

    assert await world.behind(LATEST) == CLEAN.digest
    assert all([await kept(world, digest) for digest in layers_of(CLEAN)])
    assert world.pool.begun == len(layers_of(CLEAN))


async def test_an_image_is_read_at_once_where_uploads_are_observed(small_world: World) -> None:
    small_world.gate.bytes_uploaded(1 << 40)
    await upload(small_world, CLEAN)
    await small_world.pool.waits_for(len(CLEAN.blobs))


async def test_reading_behind_that_fails_is_made_up_for_by_the_manifest(deferred_world: World) -> None:
    for digest in CLEAN.blobs:  # nothing is there yet
        deferred_world.gate.blob_uploaded(deferred_world.pusher, deferred_world.repository, digest)
    with pytest.raises(ManifestBlobUnknownError):
        await deferred_world.push_manifest(CLEAN)
    await deferred_world.push(CLEAN)
    assert await deferred_world.behind(LATEST) == CLEAN.digest


async def test_t17_a_layer_that_another_repository_lost_is_read_from_this_one(deferred_world: World) -> None:
    world, elsewhere = deferred_world, Repository(f"{deferred_world.repository}/elsewhere")
    await world.upload(CLEAN)
    world.pool.gate.clear()
    for layer in layers_of(CLEAN):
        world.gate.blob_uploaded(world.pusher, elsewhere, layer)
    await world.pool.waits_for(len(layers_of(CLEAN)))
    pushing = asyncio.create_task(world.push_manifest(CLEAN))
    await asyncio.wait([pushing], timeout=1)  # until it waits for the same layers; how long that takes proves nothing

    world.pool.gate.set()
    await pushing

    assert (await world.verdict(CLEAN.digest)).outcome is Outcome.ADMIT
