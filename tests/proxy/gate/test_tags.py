"""Tags that must stay what they are, and what a tag means to those who only pull."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio

from proxy.errors import BlobUnknownError, DeniedError, FixedTagError, ManifestUnknownError
from proxy.identity.principal import Role
from scanning.oci.names import Tag
from storage import tag_history
from storage.audit import Event
from storage.database import Database
from tests.images import File, TestImage, debian, image, index
from tests.proxy.gate.conftest import MakeWorld
from tests.proxy.gate.signing import legacy_signature
from tests.proxy.gate.simulated import SlowUpstream
from tests.proxy.gate.world import LATEST, REFUSE_SSH, World, caller, layers_of, policy_text, wants_signature
from tests.scanning.signatures.signing import new_key, pem

pytestmark = pytest.mark.asyncio(loop_scope="session")

KEY = new_key()
FIRST = image(debian(("base-files", "12.4+deb12u11"), ("one", "1")))
SECOND = image(debian(("base-files", "12.4+deb12u12"), ("two", "2")))
THIRD = image(debian(("base-files", "12.4+deb12u13"), ("three", "3")))
WITH_SSH = image(debian(), {"usr/bin/ssh": File(b"\x7fELF", 0o755)})
RELEASE = Tag("v1")
FIXED = {"immutable": ["v*"]}
LAST_ADMITTED = {"serve": "last-admitted"}
NO_DEBRIS = {"packages": {"purls": ["pkg:deb/debian/two"]}}
"""A rule that SECOND breaks."""


@pytest_asyncio.fixture(loop_scope="session")
async def fixed(world: World) -> World:
    """FIRST was released, and releases are immutable."""
    await world.change_policy(policy_text(deny=REFUSE_SSH, tags=FIXED))
    await world.push(FIRST, RELEASE)
    return world


@pytest_asyncio.fixture(loop_scope="session")
async def small_fixed(small_world: World) -> World:
    """The same, before the embedded registry alone."""
    await small_world.change_policy(policy_text(deny=REFUSE_SSH, tags=FIXED))
    await small_world.push(FIRST, RELEASE)
    return small_world


class TestImmutable:
    async def test_t19_it_is_not_moved(self, fixed: World) -> None:
        with pytest.raises(FixedTagError) as refused:
            await fixed.push(SECOND, RELEASE)

        assert str(refused.value) == (
            f"{fixed.repository}:v1 means {FIRST.digest} and cannot be moved: it is immutable [tags.immutable];"
            " push under another tag"
        )
        assert await fixed.behind(RELEASE) == FIRST.digest
        last = (await fixed.audited())[-1]
        assert (last.event, last.outcome, last.digest, last.detail) == (
            Event.PUSH,
            "denied",
            str(SECOND.digest),
            str(refused.value),
        )

    async def test_what_was_not_taken_is_not_there_by_its_digest_either(self, fixed: World) -> None:
        with pytest.raises(FixedTagError):
            await fixed.push(SECOND, RELEASE)

        assert await fixed.behind(SECOND.digest) is None
        with pytest.raises(ManifestUnknownError):
            await fixed.pull(SECOND.digest, fixed.pusher)

    async def test_the_same_can_be_pushed_again(self, fixed: World) -> None:
        assert (await fixed.push(FIRST, RELEASE)).digest == FIRST.digest

    async def test_other_tags_move(self, fixed: World) -> None:
        for pushed in (FIRST, SECOND):
            await fixed.push(pushed)
            assert await fixed.behind(LATEST) == pushed.digest

    async def test_a_tag_that_waits_in_quarantine_is_not_moved_either(self, world: World) -> None:
        await world.change_policy(policy_text(tags=FIXED, require=wants_signature()))
        await world.push(FIRST, RELEASE)

        with pytest.raises(FixedTagError, match=f"means {FIRST.digest} and cannot be moved"):
            await world.push(SECOND, RELEASE)
        await world.push(FIRST, RELEASE)

        assert (await world.pull(RELEASE, world.pusher)).digest == FIRST.digest

    async def test_a_tag_that_waits_for_what_was_refused_meanwhile_is_free(self, world: World) -> None:
        await world.change_policy(policy_text(tags=FIXED, require=wants_signature()))
        await world.push(SECOND, RELEASE)
        await world.change_policy(policy_text(tags=FIXED, deny=NO_DEBRIS))

        await world.push(FIRST, RELEASE)

        assert await world.behind(RELEASE) == FIRST.digest

    async def test_a_refused_image_does_not_take_a_tag(self, world: World) -> None:
        await world.change_policy(policy_text(deny=REFUSE_SSH, tags=FIXED))
        with pytest.raises(DeniedError):
            await world.push(WITH_SSH, RELEASE)

        await world.push(FIRST, RELEASE)

        assert await world.behind(RELEASE) == FIRST.digest

    async def test_what_was_put_past_the_gate_counts(self, world: World) -> None:
        await world.change_policy(policy_text(tags=FIXED))
        await world.put_behind(FIRST, RELEASE)

        with pytest.raises(FixedTagError):
            await world.push(SECOND, RELEASE)

    async def test_it_is_not_deleted(self, small_fixed: World) -> None:
        with pytest.raises(FixedTagError, match=r"v1 cannot be deleted: it is immutable \[tags\.immutable\]"):
            await small_fixed.delete(RELEASE)

        assert await small_fixed.behind(RELEASE) == FIRST.digest
        assert [(last.event, last.outcome) for last in await small_fixed.audited()][-1] == (Event.DELETE, "denied")

    async def test_what_is_not_there_can_only_be_unknown(self, small_fixed: World) -> None:
        with pytest.raises(ManifestUnknownError):
            await small_fixed.delete(Tag("v2"))

    async def test_t20_it_is_not_deleted_by_its_digest(self, fixed: World) -> None:
        await fixed.push(FIRST, Tag("also"))

        with pytest.raises(FixedTagError, match=f"{FIRST.digest} cannot be deleted: v1 would lose what they mean"):
            await fixed.delete(FIRST.digest)

        assert await fixed.behind(RELEASE) == FIRST.digest

    async def test_t20_it_is_not_deleted_by_the_digest_it_waits_for(self, world: World) -> None:
        await world.change_policy(policy_text(tags=FIXED, require=wants_signature()))
        await world.push(FIRST, RELEASE)

        with pytest.raises(FixedTagError):
            await world.delete(FIRST.digest)

        assert (await world.pull(RELEASE, world.pusher)).digest == FIRST.digest

    async def test_t20_an_image_of_an_index_that_it_means_is_not_deleted(self, fixed: World) -> None:
        both = index(SECOND, THIRD)
        await fixed.push(both, Tag("v2"))

        with pytest.raises(FixedTagError, match="v2 would lose"):
            await fixed.delete(THIRD.digest)

        assert await fixed.behind(THIRD.digest) == THIRD.digest

    async def test_t20_nor_is_a_blob_that_it_needs(self, fixed: World) -> None:
        both = index(SECOND, THIRD)
        await fixed.push(both, Tag("v2"))

        for needed, tag in ((layers_of(FIRST)[0], "v1"), (layers_of(THIRD)[0], "v2")):
            with pytest.raises(FixedTagError, match=f"blob {needed} of .* cannot be deleted: {tag} would lose"):
                await fixed.gate.delete_blob(fixed.admin, fixed.repository, needed)
            await fixed.check_blob(needed)
        assert (await fixed.audited())[-1].outcome == "denied"

    async def test_a_blob_that_no_immutable_tag_needs_is_deleted(self, small_fixed: World) -> None:
        await small_fixed.push(SECOND)
        (blob,) = layers_of(SECOND)

        await small_fixed.gate.delete_blob(small_fixed.admin, small_fixed.repository, blob)

        last = (await small_fixed.audited())[-1]
        assert (last.event, last.outcome, last.digest, last.detail) == (Event.DELETE, "deleted", str(blob), "blob")
        with pytest.raises(BlobUnknownError):
            await small_fixed.gate.delete_blob(small_fixed.admin, small_fixed.repository, blob)

    async def test_what_no_immutable_tag_means_is_deleted(self, small_fixed: World) -> None:
        await small_fixed.push(SECOND)

        await small_fixed.delete(SECOND.digest)

        assert await small_fixed.behind(LATEST) is None

    async def test_a_promotion_does_not_move_it(self, world: World) -> None:
        """It waited when it was not immutable yet, and meant something else behind the gate already."""
        await world.put_behind(FIRST, RELEASE)
        await world.change_policy(policy_text(require=wants_signature()))
        await world.push(SECOND, RELEASE)

        await world.change_policy(policy_text(tags=FIXED))

        assert await world.behind(RELEASE) == FIRST.digest
        assert await world.behind(SECOND.digest) == SECOND.digest
        for who in (world.pusher, world.operator):
            assert (await world.pull(RELEASE, who)).digest == FIRST.digest
        denied, promoted = (record for record in await world.audited() if record.event is Event.PROMOTE)
        assert (denied.outcome, denied.reference, denied.digest) == ("denied", "v1", str(SECOND.digest))
        assert (promoted.outcome, promoted.digest, promoted.detail) == ("admit", str(SECOND.digest), "")

    async def test_signatures_go_on_arriving_under_their_tag(self, world: World) -> None:
        await world.change_policy(policy_text(tags={"immutable": ["*"]}))
        await world.push(FIRST, RELEASE)

        for key in (KEY, new_key()):
            signature, reference = legacy_signature(key, FIRST.digest)
            await world.push(signature, reference)
            assert await world.behind(reference) == signature.digest

    async def test_audit_mode_lets_it_pass_and_says_so(self, small_world: World) -> None:
        await small_world.change_policy(policy_text(tags=FIXED, mode="audit"))
        await small_world.push(FIRST, RELEASE)

        pushed = await small_world.push(SECOND, RELEASE)
        await small_world.delete(RELEASE)

        (warning,) = pushed.warnings
        assert warning == (
            f"audit mode, would be refused: {small_world.repository}:v1 means {FIRST.digest} and cannot be moved:"
            " it is immutable [tags.immutable]"
        )
        assert (await small_world.audited())[-1].detail == (
            f"audit mode, would be refused: {small_world.repository}:v1 cannot be deleted:"
            " it is immutable [tags.immutable]"
        )


async def test_t19_who_may_only_create_moves_no_tag(world: World) -> None:
    creator = caller(Role.CREATOR, "release-job")
    await world.upload(FIRST)
    await world.upload(SECOND)
    await world.push_manifest(FIRST, LATEST, creator)
    await world.push_manifest(FIRST, LATEST, creator)

    with pytest.raises(FixedTagError, match="the token 'release-job' may create tags and not change them"):
        await world.push_manifest(SECOND, LATEST, creator)

    assert await world.behind(LATEST) == FIRST.digest
    await world.push_manifest(SECOND, LATEST, world.pusher)
    assert await world.behind(LATEST) == SECOND.digest


class TestLastAdmitted:
    @pytest_asyncio.fixture(loop_scope="session")
    async def two_views(self, world: World) -> World:
        """FIRST, then SECOND, were admitted as `latest`; SECOND is refused today."""
        await world.push(FIRST)
        await world.push(SECOND)
        await world.change_policy(policy_text(deny=NO_DEBRIS, tags=LAST_ADMITTED))
        return world

    @pytest.mark.parametrize("head", [False, True])
    async def test_those_who_pull_get_the_last_that_is_admitted(self, two_views: World, head: bool) -> None:
        assert (await two_views.pull(head=head)).digest == FIRST.digest

    async def test_those_who_push_are_told_the_truth(self, two_views: World) -> None:
        assert (await two_views.pull(who=two_views.pusher, head=True)).digest == SECOND.digest
        with pytest.raises(DeniedError, match="two"):
            await two_views.pull(who=two_views.pusher)

    async def test_the_audit_names_what_was_served_and_instead_of_what(self, two_views: World) -> None:
        await two_views.pull()

        last = (await two_views.audited())[-1]
        assert (last.outcome, last.digest) == ("served", str(FIRST.digest))
        assert last.detail == f"instead of {SECOND.digest}, which is not admitted"

    async def test_without_the_option_the_tag_means_what_it_was_set_to(self, two_views: World) -> None:
        await two_views.change_policy(policy_text(deny=NO_DEBRIS))

        with pytest.raises(DeniedError, match="two"):
            await two_views.pull()

    async def test_it_is_judged_today_and_not_when_it_was_admitted(self, two_views: World) -> None:
        await two_views.change_policy(
            policy_text(deny={"packages": {"purls": ["pkg:deb/debian/one", "pkg:deb/debian/two"]}}, tags=LAST_ADMITTED)
        )

        with pytest.raises(DeniedError, match="two"):
            await two_views.pull()

    async def test_by_digest_everybody_is_told_why_it_is_refused(self, two_views: World) -> None:
        with pytest.raises(DeniedError, match="two"):
            await two_views.pull(SECOND.digest)

    async def test_the_newest_is_served_as_soon_as_it_is_admitted(self, two_views: World) -> None:
        await two_views.push(THIRD)

        assert (await two_views.pull()).digest == THIRD.digest

    async def test_the_tag_is_listed_for_everybody(self, two_views: World) -> None:
        for who in (two_views.pusher, two_views.operator):
            assert await two_views.gate.tags(who, two_views.repository) == (LATEST,)

    async def test_what_was_set_past_the_gate_is_remembered_once_it_was_pulled(self, world: World) -> None:
        await world.change_policy(policy_text(deny=NO_DEBRIS, tags=LAST_ADMITTED))
        await world.put_behind(FIRST)
        await world.pull()
        await world.put_behind(SECOND)

        assert (await world.pull()).digest == FIRST.digest

    async def test_while_the_newest_waits_for_a_signature_the_last_is_served(self, world: World) -> None:
        signed, signers = wants_signature("release"), {"release": pem(KEY)}
        await world.change_policy(policy_text(signers=signers, require=signed, tags=LAST_ADMITTED))
        for pushed in (FIRST, SECOND):
            await world.push(pushed)
            signature, reference = legacy_signature(KEY, pushed.digest)
            await world.push(signature, reference)
        await world.push(THIRD)
        assert (await world.pull()).digest == SECOND.digest

        await world.change_policy(policy_text(signers=signers, require=signed, tags=LAST_ADMITTED, deny=NO_DEBRIS))

        assert (await world.pull()).digest == FIRST.digest

    async def test_t67_a_deleted_tag_is_not_revived(self, small_world: World) -> None:
        await small_world.push(FIRST)
        await small_world.push(SECOND)
        await small_world.change_policy(policy_text(deny=NO_DEBRIS, tags=LAST_ADMITTED))
        await small_world.delete(LATEST)
        with pytest.raises(ManifestUnknownError):
            await small_world.pull()

        await small_world.put_behind(SECOND)

        with pytest.raises(DeniedError, match="two"):
            await small_world.pull()

    async def test_t67_a_deleted_manifest_is_not_revived(self, two_views: World) -> None:
        await two_views.delete(FIRST.digest)

        with pytest.raises(DeniedError, match="two"):
            await two_views.pull()
        with pytest.raises(ManifestUnknownError):
            await two_views.pull(FIRST.digest)

    async def test_t67_what_was_deleted_past_the_gate_is_not_revived(self, two_views: World) -> None:
        await two_views.upstream.delete_manifest(two_views.repository, FIRST.digest)

        with pytest.raises(DeniedError, match="two"):
            await two_views.pull()

    async def test_the_gate_looks_back_a_few_steps_only(self, small_world: World) -> None:
        await small_world.push(FIRST)
        for number in range(9):
            await small_world.push(image(debian(("two", "2")), {f"{number}": b""}))
        await small_world.change_policy(policy_text(deny=NO_DEBRIS, tags=LAST_ADMITTED))

        with pytest.raises(DeniedError, match="two"):
            await small_world.pull()


class TestTwoGates:
    """Two gates on one database, as replicas are."""

    @pytest.fixture
    def upstream(self) -> SlowUpstream:
        return SlowUpstream()

    @pytest_asyncio.fixture(loop_scope="session")
    async def gates(
        self, make_world: MakeWorld, upstream: SlowUpstream, database_url: str
    ) -> AsyncIterator[tuple[World, World]]:
        opened = [await Database.open(database_url) for _ in range(2)]
        one, two = (make_world(upstream, database) for database in opened)
        yield one, replace(two, repository=one.repository)
        for database in opened:
            await database.close()

    async def test_t19_one_of_two_who_set_an_immutable_tag_at_once_is_refused(
        self, gates: tuple[World, World], upstream: SlowUpstream
    ) -> None:
        one, two = gates
        await one.change_policy(policy_text(tags=FIXED))
        await two.change_policy(policy_text(tags=FIXED))
        upstream.reference = RELEASE
        first = asyncio.create_task(one.push(FIRST, RELEASE))
        await upstream.reached.wait()
        second = asyncio.create_task(two.push(SECOND, RELEASE))
        await _let_it_try(second)

        upstream.go.set()

        assert (await first).digest == FIRST.digest
        with pytest.raises(FixedTagError):
            await second
        assert await one.behind(RELEASE) == FIRST.digest

    async def test_a_promotion_in_one_does_not_take_the_tag_back_from_a_push_in_the_other(
        self, gates: tuple[World, World], upstream: SlowUpstream
    ) -> None:
        one, two = gates
        await two.change_policy(policy_text())
        await one.change_policy(policy_text(require=wants_signature()))
        await one.push(FIRST)
        upstream.reference = LATEST
        promoted = asyncio.create_task(one.change_policy(policy_text()))
        await upstream.reached.wait()
        pushed = asyncio.create_task(two.push(SECOND))
        await _let_it_try(pushed)

        upstream.go.set()

        await asyncio.gather(promoted, pushed)
        assert await one.behind(LATEST) == SECOND.digest
        for gate in gates:
            assert (await gate.pull()).digest == SECOND.digest
        async with one.database.snapshot() as tx:
            assert await tag_history.of(tx, one.repository, LATEST) == (SECOND.digest, FIRST.digest)

    async def test_pushes_to_both_at_once_leave_the_tag_and_its_history_in_agreement(
        self, gates: tuple[World, World]
    ) -> None:
        pushes: list[tuple[World, TestImage]] = [
            (gate, image(debian(), {f"{number}": b""})) for number in range(4) for gate in gates
        ]

        await asyncio.gather(*(gate.push(pushed) for gate, pushed in pushes))

        async with gates[0].database.snapshot() as tx:
            history = await tag_history.of(tx, gates[0].repository, LATEST)
        assert set(history) == {pushed.digest for _, pushed in pushes}
        assert await gates[0].behind(LATEST) == history[0]


async def _let_it_try(task: asyncio.Task[object]) -> None:
    """Give a task the time to do what it must not do now. It may not end; how long it takes proves nothing."""
    await asyncio.wait([task], timeout=1)
