"""What the upstream had a few minutes ago is served by its digest from the records; deleting it ends that."""

import pytest
import sqlalchemy as sa

from proxy.errors import DeniedError, ManifestUnknownError
from proxy.gate.admissions import MAX_AGE_SECONDS
from proxy.upstream.port import UpstreamUnavailableError
from storage import manifests
from storage.manifests import Seen
from storage.schema import manifests as table
from tests.images import debian, image
from tests.proxy.gate.conftest import FRESH, MakeWorld
from tests.proxy.gate.world import LATEST, World, policy_text, wants_signature
from tests.simulators import MemoryUpstream

pytestmark = pytest.mark.asyncio(loop_scope="session")

CLEAN = image(debian())
LONG = FRESH.total_seconds()


def cut_off(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on the upstream cannot be asked for manifests."""

    async def gone(*_: object) -> None:
        raise UpstreamUnavailableError("the upstream is gone")

    monkeypatch.setattr(world.upstream, "get_manifest", gone)


class TestBelieved:
    async def test_what_was_pushed_through_the_gate_is_served_without_asking(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await world.push(CLEAN)
        cut_off(world, monkeypatch)
        await world.wait(LONG - 1)

        served = await world.pull(CLEAN.digest)
        assert (served.body, served.media_type) == (CLEAN.manifest, CLEAN.media_type)

    async def test_not_for_longer(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        await world.push(CLEAN)
        cut_off(world, monkeypatch)
        await world.wait(LONG)

        with pytest.raises(UpstreamUnavailableError):
            await world.pull(CLEAN.digest)

    async def test_what_was_asked_for_is_believed_anew(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        await world.push(CLEAN)
        await world.wait(LONG)
        await world.pull(CLEAN.digest)
        await world.noted()
        cut_off(world, monkeypatch)
        await world.wait(LONG - 1)

        assert (await world.pull(CLEAN.digest)).body == CLEAN.manifest

    async def test_a_clock_that_was_set_back_makes_the_gate_ask(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await world.push(CLEAN)
        cut_off(world, monkeypatch)
        await world.wait(-60)

        with pytest.raises(UpstreamUnavailableError):
            await world.pull(CLEAN.digest)

    async def test_tags_and_those_who_push_and_ask_what_is_there_get_the_truth(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await world.push(CLEAN)
        cut_off(world, monkeypatch)

        with pytest.raises(UpstreamUnavailableError):
            await world.pull(LATEST)
        with pytest.raises(UpstreamUnavailableError):
            await world.pull(CLEAN.digest, who=world.pusher, head=True)

    async def test_bytes_that_are_not_what_was_asked_for_are_never_served(self, world: World) -> None:
        await world.push(CLEAN)
        async with world.database.transaction() as tx:
            await tx.execute(sa.update(table).values(body=CLEAN.manifest + b" "))

        assert (await world.pull(CLEAN.digest)).body == CLEAN.manifest

    async def test_the_verdict_decides_as_always(self, world: World) -> None:
        await world.push(CLEAN)
        await world.change_policy(policy_text(require=wants_signature()))

        with pytest.raises(DeniedError):
            await world.pull(CLEAN.digest)


class TestDeleted:
    async def test_t67_through_the_gate_it_is_gone_at_once(self, world: World) -> None:
        await world.push(CLEAN)
        await world.delete(CLEAN.digest)

        with pytest.raises(ManifestUnknownError):
            await world.pull(CLEAN.digest)

    async def test_t67_through_another_process_it_is_gone_for_all(self, make_world: MakeWorld) -> None:
        upstream = MemoryUpstream()
        ours, theirs = make_world(upstream), make_world(upstream)
        theirs.repository = ours.repository
        await ours.push(CLEAN)
        await ours.pull(CLEAN.digest)
        await theirs.delete(CLEAN.digest)

        with pytest.raises(ManifestUnknownError):
            await theirs.pull(CLEAN.digest)
        await ours.wait(MAX_AGE_SECONDS)
        with pytest.raises(ManifestUnknownError):
            await ours.pull(CLEAN.digest)

    async def test_past_the_gate_it_is_gone_when_it_is_believed_no_more(self, world: World) -> None:
        await world.push(CLEAN)
        await world.upstream.delete_manifest(world.repository, CLEAN.digest)
        await world.wait(LONG - 1)
        assert (await world.pull(CLEAN.digest)).body == CLEAN.manifest
        await world.wait(MAX_AGE_SECONDS)

        with pytest.raises(ManifestUnknownError):
            await world.pull(CLEAN.digest)

    async def test_t67_what_was_seen_before_a_deletion_is_not_noted_after_it(self, small_world: World) -> None:
        world = small_world
        await world.push(CLEAN)
        async with world.database.snapshot() as tx:
            known = await manifests.find(tx, world.repository, CLEAN.digest)
        assert known is not None
        await world.delete(CLEAN.digest)
        await world.wait(1)
        await world.push(CLEAN)
        await world.upstream.delete_manifest(world.repository, CLEAN.digest)
        async with world.database.transaction() as tx:
            await tx.execute(sa.update(table).values(seen_at=None))
            late = Seen(world.repository, CLEAN.digest, known.first_seen, world.time.now())
            await manifests.note_seen(tx, [late])

        with pytest.raises(ManifestUnknownError):
            await world.pull(CLEAN.digest)
