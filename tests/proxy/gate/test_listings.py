"""Lists of names cost the upstream little, however often, and in however small pages, they are asked for."""

import asyncio

import pytest

from proxy.gate.listings import Listings
from proxy.upstream.port import UpstreamUnavailableError
from scanning.oci.names import Repository, Tag
from tests.simulators import MemoryUpstream

APP, OTHER = Repository("team/app"), Repository("team/other")


class LongList(MemoryUpstream):
    """Lists tags as they are when it is asked, once it is told to `go`; counts how often it is asked."""

    def __init__(self, *tags: str) -> None:
        super().__init__()
        self.named = tuple(map(Tag, tags))
        self.asked = 0
        self.reached = asyncio.Event()
        self.go = asyncio.Event()
        self.go.set()
        self.is_down = False

    async def tags(self, repository: Repository) -> tuple[Tag, ...] | None:
        self.asked += 1
        found = self.named if repository == APP else None
        self.reached.set()
        await self.go.wait()
        if self.is_down:
            raise UpstreamUnavailableError("it is down")
        return found

    async def repositories(self) -> tuple[Repository, ...]:
        self.asked += 1
        return (APP,)


async def test_all_pages_of_a_list_are_read_once() -> None:
    upstream = LongList("a", "b")
    listings = Listings(upstream)
    first = await listings.tags(APP, is_continued=False)
    upstream.named = (Tag("c"),)
    assert (await listings.tags(APP, is_continued=True), upstream.asked) == (first, 1)
    assert await listings.repositories(is_continued=False) == await listings.repositories(is_continued=True) == (APP,)
    assert upstream.asked == 2


async def test_a_list_that_begins_has_what_there_is_now() -> None:
    upstream = LongList("a")
    listings = Listings(upstream)
    await listings.tags(APP, is_continued=False)
    upstream.named = (Tag("b"),)
    assert await listings.tags(APP, is_continued=False) == (Tag("b"),)
    assert await listings.tags(APP, is_continued=True) == (Tag("b"),)


async def test_many_who_ask_at_the_same_time_have_it_read_twice_and_miss_nothing_that_was_there_before() -> None:
    upstream = LongList("a")
    listings = Listings(upstream)
    upstream.go.clear()
    first = asyncio.create_task(listings.tags(APP, is_continued=False))
    await upstream.reached.wait()
    upstream.named = (Tag("b"),)  # after the first was read, before the others ask
    late = [asyncio.create_task(listings.tags(APP, is_continued=False)) for _ in range(20)]
    await asyncio.sleep(0)
    upstream.go.set()

    assert (await first, set(await asyncio.gather(*late))) == ((Tag("a"),), {(Tag("b"),)})
    assert upstream.asked == 2


async def test_what_is_too_old_or_too_long_or_not_there_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    upstream = LongList("a", "b", "c")
    listings = Listings(upstream)
    monkeypatch.setattr("proxy.gate.listings._MOST_NAMES", 2)
    assert await listings.tags(APP, is_continued=True) == await listings.tags(APP, is_continued=True) != ()
    assert await listings.tags(OTHER, is_continued=True) is await listings.tags(OTHER, is_continued=True) is None
    monkeypatch.setattr("proxy.gate.listings._MOST_NAMES", 3)
    monkeypatch.setattr("proxy.gate.listings._KEPT_SECONDS", 0.0)
    await listings.tags(APP, is_continued=False)
    await listings.tags(APP, is_continued=True)
    assert upstream.asked == 6


async def test_a_failure_is_told_to_all_who_waited_and_kept_for_nobody() -> None:
    upstream = LongList("a")
    listings = Listings(upstream)
    upstream.is_down = True
    asking = [listings.tags(APP, is_continued=False) for _ in range(3)]
    assert {type(said) for said in await asyncio.gather(*asking, return_exceptions=True)} == {UpstreamUnavailableError}
    upstream.is_down = False
    assert await listings.tags(APP, is_continued=True) == (Tag("a"),)
