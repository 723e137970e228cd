"""Something fails in the middle: nothing is admitted that was not judged, and nothing acknowledged is lost."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from proxy.errors import BlobUnknownError, DeniedError, ManifestUnknownError
from proxy.upstream.port import UpstreamError, UpstreamRefusedError, UpstreamUnavailableError
from scanning.oci.digest import Digest
from scanning.oci.names import Reference, Repository, Tag
from scanning.verdict import Outcome
from storage.audit import Event
from storage.errors import StorageUnavailableError
from tests.images import TestImage, debian, image, index
from tests.proxy.gate.conftest import MakeWorld
from tests.proxy.gate.signing import legacy_signature
from tests.proxy.gate.world import LATEST, World, layers_of, policy_text, wants_signature
from tests.scanning.signatures.signing import new_key, pem
from tests.simulators import MemoryUpstream

pytestmark = pytest.mark.asyncio(loop_scope="session")

KEY = new_key()
STRICT = policy_text(signers={"release": pem(KEY)}, require=wants_signature("release"))
CLEAN = image(debian())
BLOB = next(iter(CLEAN.blobs))
DELETIONS: dict[str, Callable[[World], Awaitable[None]]] = {
    "delete_manifest": lambda world: world.delete(CLEAN.digest),
    "delete_tag": lambda world: world.delete(LATEST),
    "delete_blob": lambda world: world.gate.delete_blob(world.admin, world.repository, BLOB),
}
"""Deletions, by what of the upstream does them."""


@contextmanager
def crash_after_putting(world: World, image: TestImage, reference: Reference) -> Iterator[None]:
    """The database is gone as soon as the upstream has `image` under `reference`, as if the gate were."""
    with pytest.MonkeyPatch.context() as patch:
        put = world.upstream.put_manifest

        async def put_then_crash(repository: Repository, under: Reference, media_type: str, body: bytes) -> None:
            await put(repository, under, media_type, body)
            if (Digest.of(body), under) == (image.digest, reference):
                patch.setattr(world.database, "transaction", _gone)

        patch.setattr(world.upstream, "put_manifest", put_then_crash)
        with pytest.raises(StorageUnavailableError):
            yield


def _gone() -> None:
    raise StorageUnavailableError("the database is gone")


def restarted(world: World, make_world: MakeWorld) -> World:
    """A new gate on the same state."""
    return replace(make_world(world.upstream), repository=world.repository)


class TestCrashBetweenTheUpstreamAndTheRecord:
    async def test_t65_a_pushed_image_is_unknown_and_judged_before_anybody_gets_it(
        self, world: World, make_world: MakeWorld
    ) -> None:
        await world.change_policy(policy_text())
        with crash_after_putting(world, CLEAN, LATEST):
            await world.push(CLEAN)
        assert await world.behind(LATEST) == CLEAN.digest

        again = restarted(world, make_world)

        assert await again.verdicts() == ()
        assert await again.audited() == []
        with pytest.raises(BlobUnknownError):
            await again.check_blob(layers_of(CLEAN)[0])
        await again.change_policy(policy_text(deny={"packages": {"purls": ["pkg:deb/debian/base-files@*"]}}))
        with pytest.raises(DeniedError, match=r"\[deny\.packages\]"):
            await again.pull()

    @pytest.mark.parametrize("reference", [CLEAN.digest, LATEST])
    async def test_t65_an_image_promoted_by_half_stays_held_and_is_promoted_after_the_restart(
        self, world: World, make_world: MakeWorld, reference: Reference
    ) -> None:
        await world.change_policy(STRICT)
        await world.push(CLEAN)
        with crash_after_putting(world, CLEAN, reference):
            await world.push(*legacy_signature(KEY, CLEAN.digest))
        assert await world.behind(CLEAN.digest) == CLEAN.digest

        again = restarted(world, make_world)
        assert (await again.verdict(CLEAN.digest)).outcome is Outcome.QUARANTINE
        for asked in (LATEST, CLEAN.digest):
            with pytest.raises(DeniedError):
                await again.pull(asked)
        await again.gate.promotion.reconsider_all()

        assert await again.behind(LATEST) == CLEAN.digest
        assert (await again.pull()).body == CLEAN.manifest

    async def test_t65_an_index_promoted_by_half_is_promoted_whole_after_the_restart(
        self, world: World, make_world: MakeWorld
    ) -> None:
        both = index(CLEAN, image(debian(), architecture="arm64"))
        await world.change_policy(STRICT)
        await world.push(both)
        with crash_after_putting(world, CLEAN, CLEAN.digest):
            await world.push(*legacy_signature(KEY, both.digest))

        again = restarted(world, make_world)
        await again.gate.promotion.reconsider_all()

        assert await again.behind(LATEST) == both.digest
        for child in both.children:
            assert (await again.pull(child.digest)).body == child.manifest

    async def test_t65_the_client_pushes_again_after_an_error_and_nothing_stands_in_its_way(self, world: World) -> None:
        with crash_after_putting(world, CLEAN, LATEST):
            await world.push(CLEAN)

        await world.push(CLEAN)

        assert (await world.pull()).body == CLEAN.manifest
        assert [(found.event, found.outcome) for found in await world.audited()] == [
            ("push", "admit"),
            ("pull", "served"),
        ]


class TestDeletion:
    async def test_t65_the_database_goes_after_the_registry_has_deleted(self, world: World) -> None:
        await world.push(CLEAN)
        with pytest.MonkeyPatch.context() as patch:
            delete = world.upstream.delete_manifest

            async def delete_then_crash(repository: Repository, digest: Digest) -> bool:
                gone = await delete(repository, digest)
                patch.setattr(world.database, "transaction", _gone)
                return gone

            patch.setattr(world.upstream, "delete_manifest", delete_then_crash)
            with pytest.raises(StorageUnavailableError):
                await world.delete(CLEAN.digest)

        assert await self.of_deletion(world) == ["begun"], "who did it is on record"
        with pytest.raises(ManifestUnknownError):
            await world.pull()
        await world.delete(CLEAN.digest)
        assert await self.of_deletion(world) == ["begun", "begun", "deleted"]

    async def test_what_cannot_be_put_on_record_is_not_deleted(self, world: World) -> None:
        await world.push(CLEAN)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(world.database, "transaction", _gone)
            with pytest.raises(StorageUnavailableError):
                await world.delete(CLEAN.digest)

        assert await world.behind(LATEST) == CLEAN.digest
        assert (await world.pull()).body == CLEAN.manifest

    @pytest.mark.parametrize(
        ("error", "outcomes"),
        [
            (UpstreamRefusedError("the upstream does not allow it", code="UNSUPPORTED", status=405), ["refused"]),
            (UpstreamUnavailableError("the upstream does not answer"), []),
        ],
        ids=["refused", "unknown"],
    )
    @pytest.mark.parametrize("what", DELETIONS)
    async def test_what_the_registry_refuses_to_delete_has_an_end(
        self, small_world: World, what: str, error: UpstreamError, outcomes: list[str]
    ) -> None:
        await small_world.push(CLEAN)

        async def fail(*_: object) -> bool:
            raise error

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(small_world.upstream, what, fail)
            with pytest.raises(type(error)):
                await DELETIONS[what](small_world)

        assert await self.of_deletion(small_world) == ["begun", *outcomes]
        if outcomes:
            assert (await small_world.audited())[-1].detail == str(error)
        assert (await small_world.pull()).body == CLEAN.manifest

    async def test_what_is_gone_was_not_refused(self, small_world: World) -> None:
        """docker-registry may delete a manifest, and refuse to change the list of referrers that it was on."""
        await small_world.push(CLEAN)
        with pytest.MonkeyPatch.context() as patch:
            delete = small_world.upstream.delete_manifest

            async def delete_and_fail(repository: Repository, digest: Digest) -> bool:
                await delete(repository, digest)
                raise UpstreamRefusedError("the upstream does not allow it")

            patch.setattr(small_world.upstream, "delete_manifest", delete_and_fail)
            with pytest.raises(UpstreamRefusedError):
                await small_world.delete(CLEAN.digest)

        assert await self.of_deletion(small_world) == ["begun"]

    async def of_deletion(self, world: World) -> list[str]:
        return [found.outcome for found in await world.audited() if found.event is Event.DELETE]


class TestInspectionFails:
    async def test_a_push_is_held_unjudged_and_nobody_gets_it(self, world: World) -> None:
        world.pool.kills_worker = True

        pushed = await world.push(CLEAN)

        (said,) = pushed.warnings
        assert "is in quarantine and not judged yet: layer sha256:" in said
        assert await world.verdicts() == ()
        assert await world.behind(LATEST) is None
        assert [(found.event, found.outcome) for found in await world.audited()] == [("push", "quarantine")]
        for who in (world.operator, world.pusher):
            with pytest.raises(DeniedError, match="not inspected yet") as refused:
                await world.pull(who=who)
            assert refused.value.retry_after

    async def test_what_was_held_unjudged_is_admitted_once_inspection_works_again(self, world: World) -> None:
        world.pool.kills_worker = True
        both = index(CLEAN, image(debian(), architecture="arm64"))
        await world.push(both)
        world.pool.reset()

        await world.gate.promotion.judge_unjudged()

        assert await world.behind(LATEST) == both.digest
        assert (await world.pull()).body == both.manifest
        for child in both.children:
            assert (await world.pull(child.digest)).body == child.manifest

    async def test_what_was_held_unjudged_and_breaks_a_rule_stays_held_and_that_is_audited(self, world: World) -> None:
        await world.change_policy(policy_text(deny={"packages": {"purls": ["pkg:deb/debian/base-files@*"]}}))
        world.pool.kills_worker = True
        await world.push(CLEAN)
        world.pool.reset()

        await world.gate.promotion.judge_unjudged()
        await world.gate.promotion.judge_unjudged()

        assert await world.behind(LATEST) is None
        judged = [found for found in await world.audited() if found.event == "judge"]
        assert [(found.actor, found.outcome) for found in judged] == [("imagegate", "reject")]
        assert len(await world.verdicts()) == 1
        with pytest.raises(DeniedError, match=r"\[deny\.packages\]"):
            await world.pull(who=world.pusher)

    async def test_an_index_that_lacks_an_image_is_not_promoted_by_judging_it_late(self, world: World) -> None:
        both = index(CLEAN, image(debian(), architecture="arm64"))
        await world.upload(both)
        world.pool.kills_worker = True
        await world.push_manifest(both.children[0], both.children[0].digest)
        await world.push_manifest(both)
        world.pool.reset()

        await world.gate.promotion.judge_unjudged()

        assert await world.behind(both.children[0].digest) == both.children[0].digest
        assert await world.behind(LATEST) is None

    async def test_what_can_never_be_judged_is_given_up_as_well(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        both = index(CLEAN, image(debian(), architecture="arm64"))
        await world.upload(both)
        world.pool.kills_worker = True
        await world.push_manifest(both.children[0], both.children[0].digest)
        await world.push_manifest(both)
        world.pool.reset()
        tried: list[Digest] = []
        reconsider = world.gate.promotion.reconsider

        async def counted(repository: Repository, digest: Digest) -> None:
            tried.append(digest)
            await reconsider(repository, digest)

        monkeypatch.setattr(world.gate.promotion, "reconsider", counted)
        for _ in range(10):
            await world.gate.promotion.judge_unjudged()

        assert tried.count(both.digest) == 3

    async def test_a_layer_that_kills_every_worker_is_given_up(self, world: World) -> None:
        world.pool.kills_worker = True
        await world.push(CLEAN)
        before = world.pool.begun

        for _ in range(10):
            await world.gate.promotion.judge_unjudged()

        assert world.pool.begun - before == 3


class TestUpstreamFails:
    async def test_a_push_that_the_upstream_does_not_take_is_no_admission(self, make_world: MakeWorld) -> None:
        world = make_world(UnwillingUpstream())
        with pytest.raises(UpstreamUnavailableError):
            await world.push(CLEAN)

        assert await world.verdicts() == ()
        assert await world.audited() == []

    async def test_a_promotion_that_the_upstream_does_not_take_leaves_the_image_held(
        self, make_world: MakeWorld
    ) -> None:
        upstream = UnwillingUpstream(unwilling=False)
        world = make_world(upstream)
        await world.change_policy(policy_text(require=wants_signature()))
        await world.push(CLEAN)
        upstream.unwilling = True
        await world.change_policy(policy_text())
        with pytest.raises(UpstreamUnavailableError):
            await world.pull()
        upstream.unwilling = False

        await world.gate.promotion.reconsider_all()

        assert await world.behind(LATEST) == CLEAN.digest

    async def test_one_image_that_cannot_be_promoted_does_not_hold_up_the_others(self, make_world: MakeWorld) -> None:
        upstream = UnwillingUpstream(unwilling=False)
        world = make_world(upstream)
        await world.change_policy(policy_text(require=wants_signature()))
        images = sorted((CLEAN, image(debian(), {"other": b""})), key=lambda held: held.digest)
        for number, held in enumerate(images):
            await world.push(held, Tag(f"held-{number}"))
        upstream.refuses = images[0].digest

        await world.change_policy(policy_text())

        assert await world.behind(Tag("held-0")) is None
        assert await world.behind(Tag("held-1")) == images[1].digest


class TestDatabaseFails:
    async def test_nothing_is_served_without_a_record(self, world: World, tmp_path: Path) -> None:
        await world.push(CLEAN)
        (tmp_path / "audit").write_bytes(b"a file where the spool's folder should be")

        with pytest.raises(StorageUnavailableError):
            await world.pull()

    async def test_a_pull_is_on_record_once_the_database_takes_records_again(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await world.push(CLEAN)
        with monkeypatch.context() as patch:
            patch.setattr(world.database, "transaction", _gone)
            await world.pull()

        assert [record.outcome for record in await world.audited()] == ["admit", "served"]

    async def test_nothing_is_served_without_a_verdict(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        await world.push(CLEAN)
        monkeypatch.setattr(world.database, "snapshot", _gone)

        for head in (False, True):
            with pytest.raises(StorageUnavailableError):
                await world.pull(head=head)
        with pytest.raises(StorageUnavailableError):
            await world.check_blob(layers_of(CLEAN)[0])


class UnwillingUpstream(MemoryUpstream):
    """Takes no manifests, or not this one."""

    def __init__(self, *, unwilling: bool = True) -> None:
        super().__init__()
        self.unwilling = unwilling
        self.refuses: Digest | None = None

    async def put_manifest(self, repository: Repository, reference: Reference, media_type: str, body: bytes) -> None:
        if self.unwilling or Digest.of(body) == self.refuses:
            raise UpstreamUnavailableError("the simulated upstream takes no manifest")
        await super().put_manifest(repository, reference, media_type, body)
