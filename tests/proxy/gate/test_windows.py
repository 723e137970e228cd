"""Between a push and its verdict, and by way of what lists something: nothing goes out that was not admitted."""

import pytest

from proxy.errors import ManifestBlobUnknownError, ManifestUnknownError
from scanning.oci.names import Tag
from tests.images import debian, image, index
from tests.proxy.gate.test_artifacts import CHART
from tests.proxy.gate.world import World, policy_text

pytestmark = pytest.mark.asyncio(loop_scope="session")

CLEAN = image(debian())
BOTH = index(CLEAN, CHART)


class TestByAnIndex:
    async def test_t107_what_waits_unjudged_does_not_go_out_with_an_index(self, small_world: World) -> None:
        world = small_world
        await world.change_policy(policy_text(artifacts=False))
        world.pool.kills_worker = True
        await world.push(CHART, CHART.digest)
        world.pool.reset()
        await world.push(CLEAN, CLEAN.digest)

        with pytest.raises(ManifestBlobUnknownError, match=f"{CHART.digest}, which the index lists, is not admitted"):
            await world.push_manifest(BOTH)

        assert await world.behind(CHART.digest) is None
        assert await world.behind(Tag("latest")) is None
        with pytest.raises(ManifestUnknownError):
            await world.pull()

    async def test_t107_an_index_that_waits_does_not_take_it_along_when_it_is_judged_again(
        self, small_world: World
    ) -> None:
        world = small_world
        await world.change_policy(policy_text(artifacts=False))
        world.pool.kills_worker = True
        await world.push(CLEAN, CLEAN.digest)
        await world.upload(CHART)
        await world.push_manifest(CHART, CHART.digest)
        await world.push_manifest(BOTH)
        world.pool.reset()

        await world.gate.promotion.judge_unjudged()

        assert await world.behind(CLEAN.digest) == CLEAN.digest
        assert await world.behind(CHART.digest) is None
        assert await world.behind(Tag("latest")) is None

    async def test_t107_once_all_of_it_is_admitted_it_goes_out(self, small_world: World) -> None:
        world = small_world
        world.pool.kills_worker = True
        await world.push(BOTH)
        world.pool.reset()

        await world.gate.promotion.judge_unjudged()

        assert await world.behind(Tag("latest")) == BOTH.digest
        assert await world.behind(CHART.digest) == CHART.digest
