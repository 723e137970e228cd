"""What a gate still does once it has forgotten what is old: everything that does not need it."""

from datetime import timedelta

import pytest

from proxy.errors import BlobUnknownError, DeniedError, NotFoundError
from scanning.oci.names import Repository, Tag
from storage import forgetting, layers, verdicts
from storage.forgetting import Bounds, Forgotten
from tests.images import TestImage, debian, image, index
from tests.proxy.gate.world import REFUSE_SSH, World, layers_of, policy_text

pytestmark = pytest.mark.asyncio(loop_scope="session")

YEAR = timedelta(days=365)
FIRST = image(debian(("bash", "5.1")))
SECOND = image(debian(("bash", "5.2")))
LISTED = index(FIRST, SECOND)
WITH_SSH = image(debian(), {"usr/bin/ssh": b"\x7fELF ssh"})


async def forget(world: World) -> Forgotten:
    """What a gate does by itself, once a year is over."""
    now = world.time.now()
    return await forgetting.forget(world.database, Bounds(now - YEAR, now - timedelta(days=1)))


async def forget_unasked(world: World) -> int:
    """The same before a remote registry; gives how many images are known no more."""
    now = world.time.now()
    half = Bounds(None, now - timedelta(days=1), now - timedelta(days=180), lambda _: True)
    return (await forgetting.forget(world.database, half)).manifests


async def more_than_a_year_later(world: World) -> None:
    await world.wait(YEAR.total_seconds() * 1.1)


async def delete(world: World, image: TestImage) -> None:
    """Delete an image; and its layers, as they are once blobs were collected."""
    await world.delete(image.digest)
    for layer in layers_of(image):
        await world.upstream.delete_blob(world.repository, layer)


async def known_layers(world: World) -> set[object]:
    async with world.database.snapshot() as tx:
        return set(await layers.find(tx, (*layers_of(FIRST), *layers_of(SECOND))))


async def test_an_image_that_is_there_is_served_and_explained_and_one_that_is_deleted_is_forgotten(
    small_world: World,
) -> None:
    world = small_world
    await world.change_policy(policy_text())
    await world.push(FIRST, Tag("first"))
    await world.push(SECOND, Tag("second"))
    then, gone = await world.verdict(FIRST.digest), await world.verdict(SECOND.digest)
    await delete(world, SECOND)
    assert not (await forget(world)).verdicts

    await more_than_a_year_later(world)
    assert await world.replay.again(gone) == gone
    assert (await forget(world)).verdicts == 1
    world.pool.reset()
    assert (await world.pull(Tag("first"))).digest == FIRST.digest
    assert world.pool.begun == 0
    assert await world.replay.again(then) == then
    with pytest.raises(NotFoundError, match=r"forgotten after records\.keep_days days"):
        await world.replay.get(gone.id)
    assert await known_layers(world) == set(layers_of(FIRST))


async def test_what_is_pushed_again_after_it_was_forgotten_is_inspected_again(small_world: World) -> None:
    world = small_world
    await world.change_policy(policy_text())
    await world.push(FIRST)
    await delete(world, FIRST)
    await more_than_a_year_later(world)
    assert await forget(world)
    world.pool.reset()
    await world.push(FIRST)
    assert world.pool.begun == len(set(layers_of(FIRST)))
    assert (await world.pull()).digest == FIRST.digest


async def test_an_index_and_its_images_are_judged_again_without_reading_a_layer(small_world: World) -> None:
    world = small_world
    await world.change_policy(policy_text())
    await world.push(LISTED)
    await more_than_a_year_later(world)
    await forget(world)
    then = await world.verdict(LISTED.digest)
    assert await world.replay.again(then) == then
    world.pool.reset()
    await world.change_policy(policy_text(deny=REFUSE_SSH))
    for digest in (LISTED.digest, FIRST.digest, SECOND.digest):
        assert (await world.pull(digest)).digest == digest
    assert world.pool.begun == 0


async def test_a_refusal_is_explained_for_as_long_as_verdicts_are_kept(small_world: World) -> None:
    world = small_world
    await world.change_policy(policy_text(deny=REFUSE_SSH))
    with pytest.raises(DeniedError):
        await world.push(WITH_SSH)
    refused = await world.verdict(WITH_SSH.digest)
    await world.wait(YEAR.total_seconds() * 0.9)
    await forget(world)
    assert await world.replay.again(refused) == refused
    await more_than_a_year_later(world)
    await forget(world)
    async with world.database.snapshot() as tx:
        assert await verdicts.latest(tx, Repository(refused.repository), refused.digest) is None


@pytest.mark.parametrize("by", ["tag", "digest"])
async def test_what_is_pulled_stays_known_and_what_nobody_pulls_is_inspected_anew(world: World, by: str) -> None:
    await world.change_policy(policy_text())
    await world.put_behind(FIRST, Tag("first"))
    await world.put_behind(SECOND, Tag("second"))
    for each in (FIRST, SECOND):
        await world.pull(each.digest)
    for _ in range(3):
        await days_pass(world, 100)
        await world.pull(Tag("first") if by == "tag" else FIRST.digest)
        await world.noted()
        await forget_unasked(world)
    world.pool.reset()
    await world.pull(FIRST.digest)
    await world.check_blob(layers_of(FIRST)[0])
    assert world.pool.begun == 0
    with pytest.raises(BlobUnknownError):
        await world.check_blob(layers_of(SECOND)[0])

    assert (await world.pull(Tag("second"))).digest == SECOND.digest
    await world.check_blob(layers_of(SECOND)[0])
    await days_pass(world, 190)
    assert await forget_unasked(world) == 2


async def days_pass(world: World, days: int) -> None:
    await world.wait(days * 86_400)
