"""Manifests and tags are counted as what they are: records that stay."""

from scanning.oci.names import Repository, Tag
from storage import held_tags, manifests, records, tag_history
from storage.database import Database
from tests.storage.values import APP, NOW, OTHER, image


async def test_each_manifest_and_each_tag_counts_once_whether_it_waits_or_not(database: Database) -> None:
    one, two = image("one"), image("two")
    async with database.transaction() as tx:
        for manifest in (one, two):
            await manifests.record(tx, APP, manifest, b"{}", held=manifest is two, facts=None, now=NOW)
            await tag_history.record(tx, APP, Tag("latest"), manifest.digest, NOW)
        await held_tags.hold(tx, APP, Tag("latest"), two.digest, NOW)
        await held_tags.hold(tx, APP, Tag("next"), two.digest, NOW)
        await manifests.record(tx, OTHER, one, b"{}", held=False, facts=None, now=NOW)

    async with database.snapshot() as tx:
        assert await records.of_all(tx) == {APP: 4, OTHER: 1}
        assert (await records.of_repository(tx, APP), await records.of_repository(tx, OTHER)) == (4, 1)
        assert await records.of_repository(tx, Repository("nobody/here")) == 0


async def test_a_signature_that_is_vouched_for_stays_so_when_it_is_recorded_again(database: Database) -> None:
    async with database.transaction() as tx:
        await manifests.record(tx, APP, image("one"), b"{}", held=False, facts=None, now=NOW)
        await manifests.vouch(tx, APP, image("one").digest)
        await manifests.record(tx, APP, image("one"), b"{}", held=False, facts=None, now=NOW)
        await manifests.record(tx, APP, image("two"), b"{}", held=False, facts=None, now=NOW)
        found = [await manifests.find(tx, APP, image(word).digest) for word in ("one", "two")]

    assert [record.vouched for record in found if record] == [True, False]
