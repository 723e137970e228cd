"""What was admitted a moment ago is served without asking again, and never for longer than it may."""

import asyncio
from dataclasses import replace

import pytest

from proxy.errors import BlobUnknownError, DeniedError, ManifestUnknownError
from proxy.gate.admissions import MAX_AGE_SECONDS, RENEW_SECONDS, Admissions
from proxy.gate.decision import Decision
from proxy.upstream.port import StoredManifest, UpstreamUnavailableError
from scanning.oci.digest import Digest
from scanning.oci.names import Reference, Repository
from scanning.verdict import Outcome
from storage import manifests, verdicts
from storage.audit import Event
from storage.errors import StorageUnavailableError
from tests.images import debian, image
from tests.proxy.gate.conftest import FRESH, MakeWorld
from tests.proxy.gate.simulated import PausingUpstream
from tests.proxy.gate.world import World, layers_of, policy_text, wants_signature
from tests.scanning.advisories.records import advisory, affected, fixed
from tests.storage.values import verdict

pytestmark = pytest.mark.asyncio(loop_scope="session")

CLEAN = image(debian())
HARMLESS = advisory("DSA-1-1", affected("Debian:12", "zlib", fixed("1:1.2")))


def cut_off(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on neither the upstream nor the records can be asked."""

    async def no_upstream(*_: object) -> None:
        raise UpstreamUnavailableError("the upstream is gone")

    def no_records() -> None:
        raise StorageUnavailableError("the database is gone")

    monkeypatch.setattr(world.upstream, "get_manifest", no_upstream)
    monkeypatch.setattr(world.database, "snapshot", no_records)


class TestRecalled:
    async def test_a_digest_and_its_blobs_are_served_again_without_asking_anybody(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await world.push(CLEAN)
        first = await world.pull(CLEAN.digest)
        await world.check_blob(layers_of(CLEAN)[0])

        with monkeypatch.context() as patch:
            cut_off(world, patch)
            assert await world.pull(CLEAN.digest) == first
            await world.check_blob(layers_of(CLEAN)[0])

        served = [record for record in await world.audited() if record.event is Event.PULL]
        assert len(served) == 2
        assert served[0] == served[1]

    async def test_for_five_seconds_at_most(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        await world.push(CLEAN)
        await world.pull(CLEAN.digest)
        await world.check_blob(layers_of(CLEAN)[0])
        cut_off(world, monkeypatch)
        await world.wait(MAX_AGE_SECONDS)

        with pytest.raises(StorageUnavailableError):
            await world.pull(CLEAN.digest)
        with pytest.raises(StorageUnavailableError):
            await world.check_blob(layers_of(CLEAN)[0])

    async def test_a_tag_is_resolved_every_time(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        await world.push(CLEAN)
        await world.pull()
        cut_off(world, monkeypatch)

        with pytest.raises(StorageUnavailableError):
            await world.pull()

    async def test_what_is_only_held_is_looked_up_every_time(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await world.change_policy(policy_text(require=wants_signature()))
        await world.push(CLEAN)
        await world.pull(CLEAN.digest, who=world.pusher)
        cut_off(world, monkeypatch)

        with pytest.raises(StorageUnavailableError):
            await world.pull(CLEAN.digest, who=world.pusher)


class TestLookedAhead:
    async def test_a_digest_that_is_asked_for_all_the_time_never_has_to_be_waited_for(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await world.push(CLEAN)
        await world.pull(CLEAN.digest)
        await world.wait(RENEW_SECONDS)
        await world.pull(CLEAN.digest)
        await world.looked_ahead()
        cut_off(world, monkeypatch)
        await world.wait(MAX_AGE_SECONDS - 0.1)

        assert (await world.pull(CLEAN.digest)).body == CLEAN.manifest

    async def test_while_nobody_can_be_asked_it_ends_after_five_seconds(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await world.push(CLEAN)
        await world.pull(CLEAN.digest)
        cut_off(world, monkeypatch)
        await world.wait(RENEW_SECONDS)
        await world.pull(CLEAN.digest)
        await world.looked_ahead()
        await world.wait(MAX_AGE_SECONDS - RENEW_SECONDS)

        with pytest.raises(StorageUnavailableError):
            await world.pull(CLEAN.digest)

    async def test_what_is_found_gone_is_forgotten_before_its_time(self, world: World) -> None:
        await world.push(CLEAN)
        await world.pull(CLEAN.digest)
        async with world.database.transaction() as tx:
            await manifests.forget(tx, world.repository, CLEAN.digest)
        await world.upstream.delete_manifest(world.repository, CLEAN.digest)
        await world.wait(RENEW_SECONDS)
        await world.pull(CLEAN.digest)
        await world.looked_ahead()

        with pytest.raises(ManifestUnknownError):
            await world.pull(CLEAN.digest)

    async def test_a_verdict_of_another_process_is_found_before_its_time(self, world: World) -> None:
        await world.push(CLEAN)
        await world.pull(CLEAN.digest)
        refusal = replace(await world.verdict(CLEAN.digest), id="another", outcome=Outcome.REJECT)
        async with world.database.transaction() as tx:
            await verdicts.append(tx, refusal)
        await world.wait(RENEW_SECONDS)
        await world.pull(CLEAN.digest)
        await world.looked_ahead()

        with pytest.raises(DeniedError):
            await world.pull(CLEAN.digest)


@pytest.fixture
def paused(make_world: MakeWorld) -> tuple[World, PausingUpstream]:
    """A gate before an upstream that makes whoever asks for the image wait."""
    upstream = PausingUpstream(reference=CLEAN.digest)
    return make_world(upstream), upstream


class TestAtTheSameTime:
    async def test_all_who_ask_for_a_digest_cost_the_upstream_one_question(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await world.push(CLEAN)
        await world.wait(FRESH.total_seconds())
        asked: list[Reference] = []
        get = world.upstream.get_manifest

        async def counted(repository: Repository, reference: Reference) -> StoredManifest | None:
            asked.append(reference)
            return await get(repository, reference)

        monkeypatch.setattr(world.upstream, "get_manifest", counted)
        found = await asyncio.gather(*(world.pull(CLEAN.digest) for _ in range(16)))

        assert {one.body for one in found} == {CLEAN.manifest}
        assert asked == [CLEAN.digest]
        assert len([record for record in await world.audited() if record.event is Event.PULL]) == 16

    async def test_t67_who_asks_after_a_deletion_is_not_given_what_was_asked_for_before_it(
        self, paused: tuple[World, PausingUpstream]
    ) -> None:
        world, upstream = paused
        upstream.go.set()
        await world.push(CLEAN)
        await world.wait(FRESH.total_seconds())
        upstream.go.clear()
        upstream.reached.clear()
        before = asyncio.create_task(world.pull(CLEAN.digest))
        await upstream.reached.wait()
        upstream.reference = None
        await world.delete(CLEAN.digest)

        with pytest.raises(ManifestUnknownError):
            await world.pull(CLEAN.digest)
        upstream.go.set()
        await asyncio.wait([before])

    async def test_who_asks_after_a_push_is_not_told_what_was_so_before_it(
        self, paused: tuple[World, PausingUpstream]
    ) -> None:
        world, upstream = paused
        before = asyncio.create_task(world.pull(CLEAN.digest))
        await upstream.reached.wait()
        upstream.reference = None
        await world.upload(CLEAN)
        pushed = asyncio.create_task(world.push_manifest(CLEAN, CLEAN.digest))
        await asyncio.wait([pushed])
        after = asyncio.create_task(world.pull(CLEAN.digest))
        await asyncio.sleep(0)
        upstream.go.set()

        assert (await after).body == CLEAN.manifest
        await asyncio.wait([before])

    async def test_who_goes_away_takes_nothing_from_those_who_wait(self, paused: tuple[World, PausingUpstream]) -> None:
        world, upstream = paused
        upstream.go.set()
        await world.push(CLEAN)
        await world.wait(FRESH.total_seconds())
        upstream.go.clear()
        upstream.reached.clear()
        first, second = (asyncio.create_task(world.pull(CLEAN.digest)) for _ in range(2))
        await upstream.reached.wait()
        first.cancel()
        await asyncio.wait([first])
        upstream.go.set()

        assert (await second).body == CLEAN.manifest


class TestForgotten:
    async def test_another_policy_holds_at_once(self, world: World) -> None:
        await world.push(CLEAN)
        await world.pull(CLEAN.digest)
        await world.check_blob(layers_of(CLEAN)[0])
        await world.change_policy(policy_text(require=wants_signature()))

        with pytest.raises(DeniedError):
            await world.pull(CLEAN.digest)
        with pytest.raises(DeniedError):
            await world.check_blob(layers_of(CLEAN)[0])

    async def test_new_advisories_are_asked_at_once(self, world: World) -> None:
        await world.push(CLEAN)
        await world.pull(CLEAN.digest)
        snapshot = await world.publish_advisories(HARMLESS)
        await world.pull(CLEAN.digest)

        assert (await world.verdict(CLEAN.digest)).inputs.snapshot == snapshot.digest

    async def test_what_is_deleted_here_is_gone_at_once(self, world: World) -> None:
        await world.push(CLEAN)
        await world.pull(CLEAN.digest)
        await world.check_blob(layers_of(CLEAN)[0])
        await world.gate.delete_manifest(world.pusher, world.repository, CLEAN.digest)

        with pytest.raises(ManifestUnknownError):
            await world.pull(CLEAN.digest)
        with pytest.raises(BlobUnknownError):
            await world.check_blob(layers_of(CLEAN)[0])

    async def test_what_another_process_deletes_is_gone_five_seconds_later(self, world: World) -> None:
        await world.push(CLEAN)
        await world.pull(CLEAN.digest)
        await world.upstream.delete_manifest(world.repository, CLEAN.digest)
        async with world.database.transaction() as tx:
            await manifests.forget(tx, world.repository, CLEAN.digest)
        await world.wait(MAX_AGE_SECONDS)

        with pytest.raises(ManifestUnknownError):
            await world.pull(CLEAN.digest)


APP = Repository("team/app")


def decision(number: int, size: int = 10) -> Decision:
    """A decision on a manifest that is nobody else's."""
    body = str(number).encode() * size
    return Decision(StoredManifest(Digest.of(body), "application/json", body), verdict("admits"))


async def test_what_was_looked_up_before_something_was_forgotten_is_not_remembered_after_it() -> None:
    admissions = Admissions(lambda: 0.0)
    moment = admissions.moment
    admissions.forget(APP, Digest.of(b"whatever"))
    admissions.remember_manifest(APP, decision(1), moment)
    admissions.remember_blob(APP, Digest.of(b"layer"), verdict("admits"), moment)

    assert admissions.manifest(APP, decision(1).stored.digest) is None
    assert admissions.blob(APP, Digest.of(b"layer")) is None


async def test_many_or_large_manifests_take_no_memory_without_end() -> None:
    admissions = Admissions(lambda: 0.0)
    for number in range(3000):
        admissions.remember_manifest(APP, decision(number), admissions.moment)
    admissions.remember_manifest(APP, decision(0, size=100_000), admissions.moment)

    kept = [number for number in range(3000) if admissions.manifest(APP, decision(number).stored.digest)]
    assert 0 < len(kept) < 3000
    assert kept[-1] == 2999
    assert admissions.manifest(APP, decision(0, size=100_000).stored.digest) is None
