"""A signature goes, and no image is admitted for it any more: not even one that was just being judged with it."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import pytest
import pytest_asyncio

from proxy.errors import ConflictError, DeniedError, ManifestUnknownError, SignaturesChangedError
from proxy.gate.judgement import Judge, Judgement, Place
from scanning.oci.digest import Digest
from scanning.oci.manifest import Manifest
from scanning.oci.names import Reference, Repository
from scanning.signatures.discover import signature_tag
from scanning.verdict import Outcome
from storage.audit import Event
from tests.images import TestImage, debian, image, index
from tests.proxy.gate.signing import bundle_signature, legacy_signature, signature_of
from tests.proxy.gate.test_artifacts import OTHER
from tests.proxy.gate.world import LATEST, REFUSE_SSH, World, policy_text, wants_signature
from tests.scanning.signatures.signing import new_key, pem

pytestmark = pytest.mark.asyncio(loop_scope="session")

KEY = new_key()
SIGNERS = {"release": pem(KEY)}
CLEAN = image(debian())
WITH_SSH = image(debian(("openssh-client", "1:9.2p1-2+deb12u2")))
BOTH = index(CLEAN, image(debian(), architecture="arm64"))
NOWHERE = Place()
BY_SHA512 = Digest.of(CLEAN.manifest, "sha512")

each_kind = pytest.mark.parametrize("kind", ["legacy", "bundle"])
each_subject = pytest.mark.parametrize("subject", [CLEAN, BOTH], ids=["image", "index"])


@pytest_asyncio.fixture(loop_scope="session")
async def strict(small_world: World) -> World:
    """A gate that wants a signature by `release`."""
    await small_world.change_policy(policy_text(signers=SIGNERS, require=wants_signature("release")))
    return small_world


@contextmanager
def once_judged(subject: TestImage, act: Callable[[], Awaitable[None]]) -> Iterator[None]:
    """`act` is done after `subject` was judged for the first time, and before anybody acts on that."""
    judge, done = Judge.judge, False

    async def judge_and_wait(
        self: Judge, repository: Repository, manifest: Manifest, body: bytes, place: Place = NOWHERE
    ) -> Judgement:
        nonlocal done
        judgement = await judge(self, repository, manifest, body, place)
        if not done and manifest.digest == subject.digest:
            done = True
            await act()
        return judgement

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Judge, "judge", judge_and_wait)
        yield
    assert done


class TestMeanwhile:
    @each_kind
    @each_subject
    async def test_t108_what_is_pushed_is_not_admitted(self, strict: World, subject: TestImage, kind: str) -> None:
        signature, under = signature_of(KEY, subject, kind)
        await strict.push(signature, under)
        for child in subject.children:
            await strict.push(child, child.digest)
        await strict.upload(subject)

        with (
            once_judged(subject, lambda: strict.delete(signature.digest)),
            pytest.raises(
                SignaturesChangedError, match=f"a signature of .*@{subject.digest} was taken away while that was judged"
            ),
        ):
            await strict.push_manifest(subject)

        assert await strict.behind(LATEST) is None
        with pytest.raises(ManifestUnknownError):
            await strict.pull()
        await strict.push_manifest(subject)
        with pytest.raises(DeniedError, match=r"\[require\.signatures\]"):
            await strict.pull()

    @each_kind
    @each_subject
    async def test_t108_nor_what_is_found_at_the_registry(self, strict: World, subject: TestImage, kind: str) -> None:
        signature, under = signature_of(KEY, subject, kind)
        await strict.push(signature, under)
        await strict.put_behind(subject)

        with once_judged(subject, lambda: strict.delete(signature.digest)), pytest.raises(SignaturesChangedError):
            await strict.pull()

        references: list[Reference] = [LATEST, *(child.digest for child in subject.children)]
        for reference in references:
            with pytest.raises(DeniedError, match=r"\[require\.signatures\]"):
                await strict.pull(reference)

    @each_kind
    async def test_t108_nor_what_waited_for_the_signature(self, strict: World, kind: str) -> None:
        await strict.push(CLEAN)
        signature, under = signature_of(KEY, CLEAN, kind)

        with once_judged(CLEAN, lambda: strict.delete(signature.digest)):
            await strict.push(signature, under)

        assert await strict.behind(CLEAN.digest) is None
        assert (await strict.verdict(CLEAN.digest)).enforced is Outcome.QUARANTINE
        with pytest.raises(DeniedError, match=r"\[require\.signatures\]"):
            await strict.pull()

    async def test_t108_nor_what_a_refused_index_lists(self, strict: World) -> None:
        await strict.change_policy(policy_text(signers=SIGNERS, require=wants_signature("release"), deny=REFUSE_SSH))
        signature, under = bundle_signature(KEY, CLEAN)
        await strict.push(signature, under)
        await strict.push(CLEAN)
        await strict.put_behind(WITH_SSH, WITH_SSH.digest)
        listing = index(CLEAN, WITH_SSH)

        with once_judged(listing, lambda: strict.delete(signature.digest)), pytest.raises(SignaturesChangedError):
            await strict.push_manifest(listing, listing.digest)

        assert (await strict.verdict(CLEAN.digest)).enforced is Outcome.QUARANTINE

    async def test_what_is_signed_by_others_as_well_is_admitted(self, strict: World) -> None:
        stranger, under_tag = legacy_signature(new_key(), CLEAN.digest)
        await strict.push(stranger, under_tag)
        await strict.push(*bundle_signature(KEY, CLEAN))
        await strict.upload(CLEAN)

        with once_judged(CLEAN, lambda: strict.delete(stranger.digest)):
            await strict.push_manifest(CLEAN)

        assert (await strict.pull()).body == CLEAN.manifest


class TestSha512:
    """The tag of its signatures holds half of its digest."""

    async def signed(self, world: World) -> tuple[Reference, Digest]:
        """The tag of the signatures of an image that is served, and what that means."""
        signature, under = legacy_signature(KEY, BY_SHA512)
        await world.push(signature, under)
        await world.push(CLEAN, BY_SHA512)
        assert (await world.pull(BY_SHA512)).body == CLEAN.manifest
        await world.wait(1)
        return under, signature.digest

    async def test_t108_the_tag_is_deleted(self, strict: World) -> None:
        under, _ = await self.signed(strict)
        await strict.delete(under)

        with pytest.raises(DeniedError, match=r"\[require\.signatures\]"):
            await strict.pull(BY_SHA512)

    async def test_t108_what_it_means_is_deleted(self, strict: World) -> None:
        _, signature = await self.signed(strict)
        await strict.delete(signature)

        with pytest.raises(DeniedError, match=r"\[require\.signatures\]"):
            await strict.pull(BY_SHA512)

    async def test_t108_something_else_takes_it(self, strict: World) -> None:
        under, _ = await self.signed(strict)
        await strict.push(OTHER, under)

        with pytest.raises(DeniedError, match=r"\[require\.signatures\]"):
            await strict.pull(BY_SHA512)

    async def test_a_signature_that_comes_later_lets_it_go(self, strict: World) -> None:
        await strict.push(CLEAN, BY_SHA512)
        assert signature_tag(BY_SHA512).name == f"sha512-{BY_SHA512.hex[:64]}.sig"

        await strict.push(*legacy_signature(KEY, BY_SHA512))

        assert (await strict.pull(BY_SHA512)).body == CLEAN.manifest


async def test_t108_one_that_was_put_there_past_the_gate_is_deleted(strict: World) -> None:
    signature, under = bundle_signature(KEY, CLEAN)
    await strict.put_behind(signature, under)
    await strict.push(CLEAN)
    assert (await strict.pull()).body == CLEAN.manifest

    await strict.wait(1)
    await strict.delete(signature.digest)

    with pytest.raises(DeniedError, match=r"\[require\.signatures\]"):
        await strict.pull()


@each_kind
async def test_t108_what_a_signature_is_made_of_goes_after_it(strict: World, kind: str) -> None:
    signature, under = signature_of(KEY, CLEAN, kind)
    await strict.push(signature, under)
    await strict.push(CLEAN)
    (*_, payload) = signature.blobs

    with pytest.raises(
        ConflictError, match=f"{payload} .* cannot be deleted: the signature {signature.digest} is made"
    ):
        await strict.gate.delete_blob(strict.admin, strict.repository, payload)

    last = (await strict.audited())[-1]
    assert (last.event, last.outcome, last.digest) == (Event.DELETE, "denied", str(payload))
    assert (await strict.pull()).body == CLEAN.manifest
    await strict.delete(signature.digest)
    await strict.gate.delete_blob(strict.admin, strict.repository, payload)
    assert await strict.upstream.blob_size(strict.repository, payload) is None
