"""What was admitted under a tag, in that order."""

from scanning.oci.names import Tag
from storage import tag_history
from storage.database import Database
from tests.storage.values import APP, NOW, OTHER, digest

LATEST, STABLE = Tag("latest"), Tag("stable")


async def test_the_newest_comes_first_and_once(database: Database) -> None:
    async with database.transaction() as tx:
        for word in ("one", "two", "two", "three", "one"):
            await tag_history.record(tx, APP, LATEST, digest(word), NOW)

        assert await tag_history.of(tx, APP, LATEST) == (digest("one"), digest("three"), digest("two"))


async def test_each_tag_has_its_own(database: Database) -> None:
    async with database.transaction() as tx:
        await tag_history.record(tx, APP, LATEST, digest("one"), NOW)
        await tag_history.record(tx, APP, STABLE, digest("two"), NOW)
        await tag_history.record(tx, OTHER, LATEST, digest("three"), NOW)

        assert await tag_history.of(tx, APP, LATEST) == (digest("one"),)
        assert await tag_history.of(tx, APP, STABLE) == (digest("two"),)
        assert await tag_history.of(tx, OTHER, STABLE) == ()


async def test_the_oldest_are_forgotten(database: Database) -> None:
    words = [f"{number}" for number in range(tag_history.MOST_KEPT + 3)]
    async with database.transaction() as tx:
        for word in words:
            await tag_history.record(tx, APP, LATEST, digest(word), NOW)

        newest_first = tuple(map(digest, reversed(words)))
        assert await tag_history.of(tx, APP, LATEST) == newest_first[: tag_history.MOST_KEPT]


async def test_setting_a_tag_to_and_fro_forgets_nothing(database: Database) -> None:
    async with database.transaction() as tx:
        await tag_history.record(tx, APP, LATEST, digest("first"), NOW)
        for number in range(2 * tag_history.MOST_KEPT):
            await tag_history.record(tx, APP, LATEST, digest("even" if number % 2 else "odd"), NOW)

        assert digest("first") in await tag_history.of(tx, APP, LATEST)


async def test_t67_what_was_deleted_is_forgotten(database: Database) -> None:
    async with database.transaction() as tx:
        for tag in (LATEST, STABLE):
            for word in ("one", "two"):
                await tag_history.record(tx, APP, tag, digest(word), NOW)

        await tag_history.forget_manifest(tx, APP, digest("two"))
        await tag_history.forget_tag(tx, APP, LATEST)

        assert await tag_history.of(tx, APP, LATEST) == ()
        assert await tag_history.of(tx, APP, STABLE) == (digest("one"),)
