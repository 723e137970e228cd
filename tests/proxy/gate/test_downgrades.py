"""A tag whose packages would go back to older versions than it has had (`tags.downgrade`)."""

from datetime import timedelta

import pytest
import pytest_asyncio

from config.vocabulary import Mode
from proxy.errors import DeniedError
from scanning.oci.names import Tag
from scanning.verdict import Outcome
from storage import tag_packages
from storage.audit import Event
from tests.images import TestImage, debian, image, index
from tests.proxy.gate.signing import legacy_signature
from tests.proxy.gate.world import LATEST, REFUSE_SSH, World, policy_text, wants_signature
from tests.scanning.signatures.signing import new_key, pem

pytestmark = pytest.mark.asyncio(loop_scope="session")

KEY = new_key()
OLD_TAG = Tag("3.0.11")


def with_openssl(version: str, *, architecture: str = "amd64") -> TestImage:
    """An image with OpenSSL of this version."""
    return image(debian(("openssl", version)), architecture=architecture)


NEW, OLDER, NEWEST = with_openssl("3.0.15-1"), with_openssl("3.0.11-1"), with_openssl("3.0.16-1")
MIDDLE = with_openssl("3.0.13-1")
WITHOUT = image(debian(("bash", "5.2-1")))
NOT_BACK = policy_text(deny=REFUSE_SSH, tags={"downgrade": {}})


@pytest_asyncio.fixture(loop_scope="session")
async def strict(small_world: World) -> World:
    """The tag latest has OpenSSL 3.0.15 and must not go back."""
    await small_world.change_policy(NOT_BACK)
    await small_world.push(NEW)
    return small_world


async def goes_back(world: World, image: TestImage, before: str, after: str) -> None:
    """Pushing `image` to latest is refused with the packages named."""
    with pytest.raises(DeniedError, match=rf"latest is refused: openssl {before} -> {after} .*\[tags\.downgrade\]"):
        await world.push(image)


async def test_an_older_package_is_refused_and_the_tag_stays(strict: World) -> None:
    await goes_back(strict, OLDER, "3.0.15-1", "3.0.11-1")

    assert (await strict.pull()).digest == NEW.digest
    assert await strict.behind(OLDER.digest) is None
    last = (await strict.audited())[-2]
    assert (last.event, last.outcome, last.reference) == (Event.PUSH, "reject", "latest")


async def test_a_newer_one_and_the_same_again_are_taken(strict: World) -> None:
    await strict.push(NEW)
    await strict.push(NEWEST)
    assert (await strict.pull()).digest == NEWEST.digest


async def test_the_same_image_is_admitted_under_another_tag_and_stays_so(strict: World) -> None:
    await strict.push(OLDER, OLD_TAG)
    await goes_back(strict, OLDER, "3.0.15-1", "3.0.11-1")

    assert (await strict.pull(OLD_TAG)).digest == OLDER.digest
    assert (await strict.pull(OLDER.digest)).digest == OLDER.digest
    await strict.check_blob(next(iter(OLDER.blobs)))
    assert (await strict.verdict(OLDER.digest)).outcome is Outcome.ADMIT


async def test_leaving_the_package_out_for_one_push_does_not_help(strict: World) -> None:
    await strict.push(WITHOUT)
    await goes_back(strict, OLDER, "3.0.15-1", "3.0.11-1")


async def test_pushing_an_old_digest_again_does_not_help(strict: World) -> None:
    await strict.push(NEWEST)
    await goes_back(strict, NEW, "3.0.16-1", "3.0.15-1")


async def test_what_the_tag_had_before_the_policy_asked_counts(small_world: World) -> None:
    await small_world.push(NEW)
    await small_world.push(WITHOUT)
    await small_world.change_policy(NOT_BACK)
    await goes_back(small_world, OLDER, "3.0.15-1", "3.0.11-1")


async def test_what_the_tag_had_while_the_policy_did_not_ask_counts(strict: World) -> None:
    await strict.change_policy(policy_text())
    await strict.push(NEWEST)
    await strict.change_policy(NOT_BACK)
    await goes_back(strict, NEW, "3.0.16-1", "3.0.15-1")


async def test_an_index_is_compared_by_platform(strict: World) -> None:
    arm = with_openssl("3.0.15-1", architecture="arm64")
    await strict.push(index(NEWEST, arm))
    with pytest.raises(DeniedError, match=r"openssl 3\.0\.16-1 -> 3\.0\.15-1 in .*of image sha256:"):
        await strict.push(index(NEW, arm))
    await strict.push(index(NEWEST, arm))
    await goes_back(strict, with_openssl("3.0.13-1", architecture="arm64"), "3.0.15-1", "3.0.13-1")


async def test_an_old_image_that_calls_itself_one_for_another_platform_is_refused_as_well(strict: World) -> None:
    await goes_back(strict, with_openssl("3.0.11-1", architecture="arm64"), "3.0.15-1", "3.0.11-1")


async def test_audit_mode_lets_it_go_back_and_says_so_every_time(strict: World) -> None:
    await strict.change_policy(policy_text(mode=Mode.AUDIT, tags={"downgrade": {}}))
    for image_ in (OLDER, OLDER, MIDDLE):
        pushed = await strict.push(image_)
        assert pushed.warnings[0].startswith("audit mode, would be reject: openssl 3.0.15-1 -> ")


async def test_a_waiver_lets_it_go_back_once_and_later_images_are_compared_with_that(strict: World) -> None:
    waiver = {
        "repositories": ["**"],
        "packages": ["pkg:deb/debian/openssl@3.0.11-1"],
        "reason": "clients that 3.0.15 broke",
        "author": "alice",
        "expires": (strict.time.now() + timedelta(days=1)).isoformat(),
    }
    await strict.change_policy(policy_text(tags={"downgrade": {}}, waivers=[waiver]))
    await strict.push(OLDER)
    await strict.change_policy(NOT_BACK)
    await strict.push(MIDDLE)
    await goes_back(strict, OLDER, "3.0.13-1", "3.0.11-1")


async def test_a_tag_that_an_admin_deleted_begins_anew(strict: World) -> None:
    await strict.delete(LATEST)
    await strict.push(OLDER)
    assert (await strict.pull()).digest == OLDER.digest


async def test_what_waits_for_a_signature_is_compared_when_it_is_pushed(strict: World) -> None:
    signed = policy_text(signers={"release": pem(KEY)}, require=wants_signature("release"), tags={"downgrade": {}})
    await strict.change_policy(signed)
    await goes_back(strict, OLDER, "3.0.15-1", "3.0.11-1")
    await strict.push(NEWEST)
    await strict.wait(1)
    await strict.push(*legacy_signature(KEY, NEWEST.digest))
    assert await strict.behind(LATEST) == NEWEST.digest
    async with strict.database.snapshot() as tx:
        former, _ = await tag_packages.of(tx, strict.repository, LATEST)
    assert former.of("linux/amd64") == {"pkg:deb/debian/openssl": "3.0.16-1"}


async def test_what_waited_gives_its_tag_up_where_the_policy_asks_by_now(small_world: World) -> None:
    signers, require = {"release": pem(KEY)}, wants_signature("release")
    await small_world.push(NEW)
    await small_world.change_policy(policy_text(signers=signers, require=require))
    await small_world.push(OLDER)
    await small_world.change_policy(policy_text(signers=signers, require=require, tags={"downgrade": {}}))
    await small_world.push(*legacy_signature(KEY, OLDER.digest))

    assert await small_world.behind(LATEST) == NEW.digest
    assert await small_world.behind(OLDER.digest) == OLDER.digest
    denied = [record for record in await small_world.audited() if record.outcome == "denied"]
    assert [(record.event, record.reference) for record in denied] == [(Event.PROMOTE, "latest")]
    assert "openssl 3.0.15-1 -> 3.0.11-1" in denied[0].detail


async def test_the_verdict_can_be_made_again_though_the_tag_has_had_more_since(strict: World) -> None:
    both = index(OLDER, with_openssl("3.0.11-1", architecture="arm64"))
    with pytest.raises(DeniedError):
        await strict.push(both)
    await strict.push(NEWEST)

    verdicts = await strict.verdicts()

    assert [verdict.tag for verdict in verdicts if verdict.outcome is Outcome.REJECT] == ["latest"] * 3
    for verdict in verdicts:
        assert await strict.replay.again(verdict) == verdict
