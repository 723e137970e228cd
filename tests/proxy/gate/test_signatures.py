"""Images wait for their signatures, and go upstream when they come."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
import pytest_asyncio

from proxy.errors import DeniedError
from proxy.upstream.port import UpstreamUnavailableError
from scanning.oci.names import Reference, Tag
from scanning.oci.referrers import referrers_tag
from scanning.signatures.discover import signature_tag
from scanning.verdict import Outcome
from storage.audit import Event
from tests.images import TestImage, debian, image, index
from tests.proxy.gate.conftest import MakeWorld
from tests.proxy.gate.signing import bundle_signature, legacy_signature, signature_of
from tests.proxy.gate.simulated import ForgetfulUpstream, PausingUpstream
from tests.proxy.gate.test_artifacts import OTHER
from tests.proxy.gate.world import LATEST, World, policy_text, wants_signature
from tests.scanning.signatures.signing import PrivateKey, new_key, pem

pytestmark = pytest.mark.asyncio(loop_scope="session")

KEY, SECOND_KEY, STRANGER = new_key(), new_key(), new_key()
SIGNED_BY_RELEASE = policy_text(signers={"release": pem(KEY)}, require=wants_signature("release"))
CLEAN = image(debian())
NEWER = image(debian(("base-files", "12.4+deb12u12")))
ARM = image(debian(), architecture="arm64")
BOTH = index(CLEAN, ARM)

either_kind = pytest.mark.parametrize("kind", ["legacy", "bundle"])


@pytest_asyncio.fixture(loop_scope="session")
async def strict(world: World) -> World:
    """A gate that wants a signature by `release`."""
    await world.change_policy(SIGNED_BY_RELEASE)
    return world


async def sign(world: World, subject: TestImage, kind: str = "legacy", key: PrivateKey = KEY) -> None:
    """Push a signature, as cosign does."""
    await world.push(*signature_of(key, subject, kind))


@either_kind
async def test_a_signature_lets_the_image_go_upstream_under_its_tag_and_digest(strict: World, kind: str) -> None:
    await strict.push(CLEAN)
    assert await strict.behind(CLEAN.digest) is None

    await sign(strict, CLEAN, kind)

    assert await strict.behind(LATEST) == CLEAN.digest
    assert await strict.behind(CLEAN.digest) == CLEAN.digest
    for reference in (LATEST, CLEAN.digest):
        assert (await strict.pull(reference)).body == CLEAN.manifest
    for blob in CLEAN.blobs:
        await strict.check_blob(blob)
    verdict = await strict.verdict(CLEAN.digest)
    assert (verdict.outcome, dict(verdict.counts)["signatures"]) == (Outcome.ADMIT, 1)


@either_kind
async def test_every_tag_that_waits_goes_with_it(strict: World, kind: str) -> None:
    for name in ("1", "1.2", "latest"):
        await strict.push(CLEAN, Tag(name))

    await sign(strict, CLEAN, kind)

    for name in ("1", "1.2", "latest"):
        assert await strict.behind(Tag(name)) == CLEAN.digest
    promotion = (await strict.audited())[-1]
    assert (promotion.event, promotion.actor, promotion.outcome) == (Event.PROMOTE, "imagegate", "admit")
    assert (promotion.digest, promotion.detail) == (str(CLEAN.digest), "1, 1.2, latest")


@either_kind
async def test_a_signature_can_come_before_its_image(strict: World, kind: str) -> None:
    await sign(strict, CLEAN, kind)

    pushed = await strict.push(CLEAN)

    assert pushed.warnings == ()
    assert (await strict.pull()).body == CLEAN.manifest


@either_kind
async def test_a_signature_by_a_stranger_does_not_count(strict: World, kind: str) -> None:
    await strict.push(CLEAN)

    await sign(strict, CLEAN, kind, STRANGER)

    assert await strict.behind(LATEST) is None
    with pytest.raises(DeniedError, match="not counted: none of the policy's signers made it"):
        await strict.pull()


async def test_the_signature_of_another_image_does_not_count(strict: World) -> None:
    await strict.push(CLEAN)
    signature, _ = legacy_signature(KEY, NEWER.digest)

    await strict.push(signature, signature_tag(CLEAN.digest))

    assert await strict.behind(LATEST) is None
    with pytest.raises(DeniedError, match=f"it signs '{NEWER.digest}', not {CLEAN.digest}"):
        await strict.pull()


async def check_deletion(world: World, subject: TestImage, kind: str, *, by_tag: bool) -> None:
    """A signed image is pulled, and no more once its signature is deleted."""
    signature, under = signature_of(KEY, subject, kind)
    await world.push(signature, under)
    await world.push(subject)
    assert (await world.pull()).body == subject.manifest

    await world.wait(1)
    await world.delete(under if by_tag else signature.digest)

    references: list[Reference] = [LATEST, *(child.digest for child in subject.children)]
    for reference in references:
        with pytest.raises(DeniedError, match=r"\[require\.signatures\]"):
            await world.pull(reference)
    assert [(one.digest, one.outcome) for one in await world.audited() if one.event is Event.JUDGE][-1:] == [
        (str(subject.digest), "quarantine")
    ]


@either_kind
@pytest.mark.parametrize("subject", [CLEAN, BOTH], ids=["image", "index"])
async def test_t108_an_image_whose_signature_is_deleted_is_signed_no_more(
    strict: World, subject: TestImage, kind: str
) -> None:
    await check_deletion(strict, subject, kind, by_tag=False)


async def test_t108_so_it_is_where_the_tag_of_the_signature_is_deleted(small_world: World) -> None:
    await small_world.change_policy(SIGNED_BY_RELEASE)
    await check_deletion(small_world, CLEAN, "legacy", by_tag=True)


async def test_t108_an_image_whose_signature_is_replaced_by_something_else_is_signed_no_more(strict: World) -> None:
    await strict.push(*legacy_signature(KEY, CLEAN.digest))
    await strict.push(CLEAN)
    assert (await strict.pull()).body == CLEAN.manifest

    await strict.wait(1)
    await strict.push(NEWER, signature_tag(CLEAN.digest))
    assert await strict.behind(signature_tag(CLEAN.digest)) != NEWER.digest, "it waits: nobody signed it"
    assert (await strict.pull()).body == CLEAN.manifest

    await strict.push(OTHER, signature_tag(CLEAN.digest))
    assert await strict.behind(signature_tag(CLEAN.digest)) == OTHER.digest
    with pytest.raises(DeniedError, match=r"\[require\.signatures\]"):
        await strict.pull()


async def test_t108_so_it_is_where_what_replaces_the_signature_waited_for_one_of_its_own(strict: World) -> None:
    await strict.push(*legacy_signature(KEY, CLEAN.digest))
    await strict.push(CLEAN)
    await strict.push(NEWER, signature_tag(CLEAN.digest))

    await strict.wait(1)
    await sign(strict, NEWER)

    assert await strict.behind(signature_tag(CLEAN.digest)) == NEWER.digest
    with pytest.raises(DeniedError, match=r"\[require\.signatures\]"):
        await strict.pull()


@contextmanager
def judging_again_fails(world: World, name: str) -> Iterator[None]:
    """The upstream is gone when what lacks a signature is to be judged again."""

    async def fail(*_: object) -> None:
        raise UpstreamUnavailableError("the upstream is gone")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(world.gate.promotion, name, fail)
        with pytest.raises(UpstreamUnavailableError):
            yield


@pytest.mark.parametrize("subject", [CLEAN, BOTH], ids=["image", "index"])
async def test_t108_nobody_gets_it_if_judging_it_again_fails(strict: World, subject: TestImage) -> None:
    signature, under = signature_of(KEY, subject, "bundle")
    await strict.push(signature, under)
    await strict.push(subject)
    assert (await strict.pull()).body == subject.manifest
    await strict.wait(1)
    with judging_again_fails(strict, "reconsider"):
        await strict.delete(signature.digest)

    blob = next(iter(CLEAN.blobs))
    with pytest.raises(DeniedError):
        await strict.check_blob(blob)
    for reference in (LATEST, CLEAN.digest):
        with pytest.raises(DeniedError, match=r"\[require\.signatures\]"):
            await strict.pull(reference)


async def test_t108_nor_if_that_fails_when_its_signature_was_replaced(strict: World) -> None:
    await strict.push(*legacy_signature(KEY, CLEAN.digest))
    await strict.push(CLEAN)
    assert (await strict.pull()).body == CLEAN.manifest
    await strict.wait(1)
    with judging_again_fails(strict, "signed"):
        await strict.push(OTHER, signature_tag(CLEAN.digest))

    with pytest.raises(DeniedError, match=r"\[require\.signatures\]"):
        await strict.pull()


async def test_t108_what_could_not_be_judged_again_is_before_long(strict: World) -> None:
    signature, under = signature_of(KEY, CLEAN, "bundle")
    await strict.push(signature, under)
    await strict.push(CLEAN)
    await strict.wait(1)
    with judging_again_fails(strict, "reconsider"):
        await strict.delete(signature.digest)
    assert (await strict.verdict(CLEAN.digest)).outcome is Outcome.ADMIT

    await strict.wait(1)
    for _ in range(2):
        await strict.gate.promotion.judge_due(strict.time.now())

    of_the_image = [verdict for verdict in await strict.verdicts() if verdict.digest == CLEAN.digest]
    assert [verdict.outcome for verdict in of_the_image[-2:]] == [Outcome.ADMIT, Outcome.QUARANTINE], "and only once"


async def test_t108_while_another_signature_of_it_is_there_it_is_signed(strict: World) -> None:
    bundle, by_digest = bundle_signature(KEY, CLEAN)
    await sign(strict, CLEAN, "legacy")
    await strict.push(bundle, by_digest)
    await strict.push(CLEAN)

    await strict.delete(bundle.digest)

    assert (await strict.pull()).body == CLEAN.manifest


async def test_a_pusher_is_told_which_subject_the_gate_took_note_of(strict: World) -> None:
    signature, reference = signature_of(KEY, CLEAN, "bundle")

    assert (await strict.push(signature, reference)).subject == CLEAN.digest
    assert [found.digest for found in await strict.referrers(CLEAN.digest)] == [signature.digest]


async def test_two_signers_are_two_keys(world: World) -> None:
    signers = {"release": pem(KEY), "again": pem(KEY), "security": pem(SECOND_KEY)}
    await world.change_policy(
        policy_text(signers=signers, require=wants_signature("release", "again", "security", threshold=2))
    )
    await world.push(CLEAN)

    await sign(world, CLEAN, "legacy", KEY)
    assert await world.behind(LATEST) is None

    await sign(world, CLEAN, "bundle", SECOND_KEY)
    assert await world.behind(LATEST) == CLEAN.digest


class TestIndex:
    @either_kind
    async def test_its_signature_covers_the_images_it_lists(self, strict: World, kind: str) -> None:
        await strict.push(BOTH)
        assert await strict.behind(CLEAN.digest) is None

        await sign(strict, BOTH, kind)

        for manifest in (BOTH, CLEAN, ARM):
            assert await strict.behind(manifest.digest) == manifest.digest
            assert (await strict.pull(manifest.digest)).body == manifest.manifest
        assert await strict.behind(LATEST) == BOTH.digest

    async def test_and_those_that_its_indexes_list(self, strict: World) -> None:
        nested = index(index(CLEAN))
        await strict.push(nested)

        await sign(strict, nested)

        assert (await strict.pull(CLEAN.digest)).body == CLEAN.manifest
        await strict.change_policy(policy_text(signers={"other": pem(KEY)}, require=wants_signature("other")))
        assert (await strict.pull(CLEAN.digest)).body == CLEAN.manifest

    async def test_a_tag_of_an_image_it_lists_goes_with_it(self, strict: World) -> None:
        await strict.push(CLEAN, Tag("amd64"))
        await strict.push(BOTH)

        await sign(strict, BOTH)

        assert await strict.behind(Tag("amd64")) == CLEAN.digest

    async def test_its_children_need_their_own_where_the_policy_says_each(self, world: World) -> None:
        await world.change_policy(
            policy_text(signers={"release": pem(KEY)}, require=wants_signature("release", children="each"))
        )
        await world.push(BOTH)

        await sign(world, BOTH)
        assert await world.behind(BOTH.digest) is None
        await sign(world, CLEAN)
        assert await world.behind(CLEAN.digest) == CLEAN.digest
        assert await world.behind(BOTH.digest) is None
        await sign(world, ARM)

        assert await world.behind(LATEST) == BOTH.digest

    async def test_the_signature_of_one_image_covers_no_index(self, strict: World) -> None:
        await strict.push(BOTH)

        await sign(strict, CLEAN)

        assert await strict.behind(CLEAN.digest) == CLEAN.digest
        assert await strict.behind(ARM.digest) is None
        assert await strict.behind(BOTH.digest) is None


class TestTagMovedOn:
    """A held tag is pushed again, and then the first image is signed."""

    async def test_to_an_image_that_was_admitted(self, strict: World) -> None:
        await strict.push(CLEAN)
        await sign(strict, NEWER)
        await strict.push(NEWER)

        await sign(strict, CLEAN)

        assert await strict.behind(LATEST) == NEWER.digest
        assert await strict.behind(CLEAN.digest) == CLEAN.digest

    async def test_to_an_image_that_waits_as_well(self, strict: World) -> None:
        await strict.push(CLEAN)
        await strict.push(NEWER)

        await sign(strict, CLEAN)

        assert await strict.behind(CLEAN.digest) == CLEAN.digest
        assert await strict.behind(LATEST) is None
        assert (await strict.pull(who=strict.pusher)).digest == NEWER.digest

    async def test_while_the_first_is_being_judged(self, make_world: MakeWorld) -> None:
        upstream = PausingUpstream()
        world = make_world(upstream)
        await world.change_policy(SIGNED_BY_RELEASE)
        await world.push(CLEAN)
        await sign(world, NEWER)
        upstream.reference = signature_tag(CLEAN.digest)
        signing = asyncio.create_task(sign(world, CLEAN))
        await upstream.reached.wait()

        await world.push(NEWER)
        upstream.go.set()
        await signing

        assert await world.behind(LATEST) == NEWER.digest
        assert await world.behind(CLEAN.digest) == CLEAN.digest


class TestPastTheGate:
    """A signature that somebody put on the upstream without the gate."""

    @either_kind
    async def test_it_is_found_when_the_image_is_pulled_a_minute_later(self, strict: World, kind: str) -> None:
        await strict.push(CLEAN)
        await strict.put_behind(*signature_of(KEY, CLEAN, kind))
        if kind == "bundle" and not await strict.upstream.referrers(strict.repository, CLEAN.digest):
            listing = index(signature_of(KEY, CLEAN, kind)[0])  # what clients do for a registry that knows no referrers
            await strict.put_behind(listing, referrers_tag(CLEAN.digest))
        with pytest.raises(DeniedError):
            await strict.pull()

        await strict.wait(61)

        assert (await strict.pull()).body == CLEAN.manifest
        assert await strict.behind(LATEST) == CLEAN.digest
        for blob in CLEAN.blobs:
            await strict.check_blob(blob)

    async def test_that_of_an_index_covers_all_it_leads_to_when_it_is_pulled_for_the_first_time(
        self, strict: World
    ) -> None:
        nested = index(index(CLEAN))
        await strict.put_behind(nested)
        await strict.put_behind(*legacy_signature(KEY, nested.digest))

        for digest in (nested.digest, nested.children[0].digest, CLEAN.digest):
            assert (await strict.pull(digest)).digest == digest


class TestTrouble:
    @pytest.mark.parametrize("fails", ["referrers", "tag"])
    async def test_no_image_counts_as_unsigned_because_its_signatures_could_not_be_looked_for(
        self, make_world: MakeWorld, fails: str
    ) -> None:
        """Unsigned images are admitted here, and still nothing is."""
        upstream = ForgetfulUpstream()
        world = make_world(upstream)
        await world.change_policy(policy_text(require=wants_signature(effect="warn")))
        await world.put_behind(NEWER, Tag("newer"))
        upstream.fails = fails

        with pytest.raises(UpstreamUnavailableError):
            await world.push(CLEAN)
        with pytest.raises(UpstreamUnavailableError):
            await world.pull(Tag("newer"))

        assert await world.verdicts() == ()
        assert await world.behind(LATEST) is None

    async def test_a_signature_is_kept_when_its_image_cannot_be_judged_now(self, make_world: MakeWorld) -> None:
        upstream = ForgetfulUpstream()
        world = make_world(upstream)
        await world.change_policy(SIGNED_BY_RELEASE)
        await world.push(CLEAN)
        upstream.fails = "referrers"
        with pytest.raises(UpstreamUnavailableError):
            await sign(world, CLEAN)
        assert await world.behind(LATEST) is None

        upstream.fails = ""
        await world.gate.promotion.reconsider_all()

        assert await world.behind(LATEST) == CLEAN.digest

    async def test_a_signature_counts_until_its_key_ends(self, world: World) -> None:
        end = world.time.now() + timedelta(hours=1)
        text = SIGNED_BY_RELEASE.replace('"key":', f'"not_after": "{end.isoformat()}", "key":')
        await world.change_policy(text)
        await world.push(CLEAN)
        await sign(world, CLEAN)
        assert (await world.pull()).body == CLEAN.manifest

        await world.wait(3600)

        with pytest.raises(DeniedError, match="the key that made it is no longer trusted"):
            await world.pull()
