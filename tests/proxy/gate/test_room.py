"""What may be put on record is bounded, so that nobody who may push fills the database."""

import pytest

from config.patterns import RepositoryPattern
from config.settings import RecordQuota
from proxy.errors import DeniedError
from proxy.upstream.embedded import EmbeddedUpstream
from scanning.oci.names import Repository, Tag
from storage import records
from storage.audit import Event
from tests.images import debian, image
from tests.proxy.gate.conftest import MakeWorld
from tests.proxy.gate.world import World, policy_text, wants_signature
from tests.scanning.signatures.signing import new_key, pem

pytestmark = pytest.mark.asyncio(loop_scope="session")

IMAGES = [image(debian(), architecture=name) for name in ("amd64", "arm64", "s390x", "ppc64le")]
ONE, TWO, THREE, _ = IMAGES


def quota(count: int, *patterns: str) -> RecordQuota:
    return RecordQuota(repositories=tuple(map(RepositoryPattern, patterns)), records=count)


async def count(world: World) -> int:
    async with world.database.snapshot() as tx:
        return await records.of_repository(tx, world.repository)


@pytest.fixture
def narrow(embedded: EmbeddedUpstream, make_world: MakeWorld) -> World:
    """A gate that takes four manifests and tags of a repository."""
    return make_world(embedded, records_per_repository=4)


async def test_no_more_manifests_and_tags_are_pushed_than_there_is_room_for(narrow: World) -> None:
    await narrow.push(ONE, Tag("a"))
    await narrow.push(TWO, Tag("b"))
    assert await count(narrow) == 4
    await narrow.upload(THREE)

    for reference in (Tag("c"), Tag("a"), THREE.digest):
        with pytest.raises(DeniedError, match="4 manifests and tags are on record of the 4 that registry"):
            await narrow.push_manifest(THREE, reference)
    with pytest.raises(DeniedError, match="and 1 more are wanted; delete those that nobody needs"):
        await narrow.push_manifest(ONE, Tag("c"))

    assert await count(narrow) == 4
    last = (await narrow.audited())[-1]
    assert (last.event, last.outcome, last.reference) == (Event.PUSH, "denied", "c")


async def test_what_is_there_can_be_pushed_again_and_tags_moved(narrow: World) -> None:
    await narrow.push(ONE, Tag("a"))
    await narrow.push(TWO, Tag("b"))

    await narrow.push_manifest(ONE, Tag("a"))
    await narrow.push_manifest(ONE, Tag("b"))

    assert (await narrow.pull(Tag("b"))).body == ONE.manifest


async def test_deleting_makes_room(narrow: World) -> None:
    await narrow.push(ONE, Tag("a"))
    await narrow.push(TWO, Tag("b"))

    await narrow.delete(ONE.digest)
    await narrow.push(THREE, Tag("c"))

    assert (await narrow.pull(Tag("c"))).body == THREE.manifest


async def test_what_waits_in_quarantine_counts_too(narrow: World) -> None:
    await narrow.change_policy(policy_text(signers={"release": pem(new_key())}, require=wants_signature("release")))
    await narrow.push(ONE, Tag("a"))
    await narrow.push(TWO, Tag("b"))
    await narrow.upload(THREE)

    with pytest.raises(DeniedError, match="has no room"):
        await narrow.push_manifest(THREE, Tag("c"))


async def test_a_quota_is_for_all_repositories_it_covers_in_place_of_the_bound_of_each(
    embedded: EmbeddedUpstream, make_world: MakeWorld
) -> None:
    one, other, free = (
        make_world(embedded, record_quotas=[quota(4, "team/**")], records_per_repository=2) for _ in range(3)
    )
    free.repository = Repository("free/app")
    await one.push(ONE, Tag("a"))
    await other.push(TWO, Tag("b"))
    await other.upload(THREE)

    with pytest.raises(DeniedError, match=r"of the 4 that registry.record_quotas for team/\*\* allows"):
        await other.push_manifest(THREE, Tag("c"))

    await free.push(THREE, Tag("c"))
    async with one.database.snapshot() as tx:
        assert await records.of_all(tx) == {one.repository: 2, other.repository: 2, free.repository: 2}
