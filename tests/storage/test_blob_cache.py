"""Copies of blobs on a local disk: bounded, the ones used last, whole or not at all."""

import asyncio
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from scanning.oci.digest import Digest
from storage.blob_cache import BlobCache
from storage.errors import ContentMismatchError, ContentMissingError, StorageUnavailableError

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LIMIT = 100


class Cache:
    """A cache of 100 bytes at a time that a test sets."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = NOW
        self.opened = self.reopened()

    def reopened(self) -> BlobCache:
        """The same folder after a restart, or for another process."""
        return BlobCache(self.folder, LIMIT, lambda: self.now)

    async def keep(self, content: bytes, at: int) -> Digest:
        """Make a copy that was last used `at` minutes after the beginning."""
        digest = Digest.of(content)
        room = self.opened.reserve(digest, len(content))
        assert room is not None
        await room.open()
        await room.append(content)
        await room.verify()
        await room.keep()
        await room.close()
        with self.opened.reading(digest) as blob:
            assert blob is not None
            os.utime(blob.path, times=(_minute(at), _minute(at)))
        return digest

    def has(self, digest: Digest) -> bool:
        """Whether there is a copy."""
        with self.opened.reading(digest) as blob:
            return blob is not None

    def files(self) -> list[Path]:
        """Every file there is."""
        return [path for path in self.folder.rglob("*") if path.is_file()]


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    """An empty one."""
    return Cache(tmp_path / "cache")


def _minute(number: int) -> float:
    return (NOW + timedelta(minutes=number)).timestamp()


async def test_what_was_used_longest_ago_goes_when_room_is_needed(cache: Cache) -> None:
    old, new, newest = [await cache.keep(bytes([number]) * 40, number) for number in (1, 2)] + [Digest.of(b"x" * 60)]
    await cache.keep(b"x" * 60, 3)
    assert [cache.has(digest) for digest in (old, new, newest)] == [False, True, True]
    assert sum(path.stat().st_size for path in cache.files()) == LIMIT


async def test_use_is_remembered_over_a_restart(cache: Cache) -> None:
    first, second = [await cache.keep(bytes([number]) * 40, number) for number in (1, 2)]
    cache.now = NOW + timedelta(days=30 * 365)  # file times are the system's
    with cache.opened.reading(first) as blob:
        assert blob is not None
        await cache.opened.note_use(blob)
    cache.opened = cache.reopened()
    await cache.keep(b"x" * 60, 3)
    assert (cache.has(first), cache.has(second)) == (True, False)


async def test_what_is_being_read_stays_though_it_is_the_oldest(cache: Cache) -> None:
    old, new = [await cache.keep(bytes([number]) * 40, number) for number in (1, 2)]
    with cache.opened.reading(old):
        await cache.keep(b"x" * 60, 3)
    assert (cache.has(old), cache.has(new)) == (True, False)


async def test_where_all_is_being_read_there_is_no_room_and_nothing_is_left_behind(cache: Cache) -> None:
    old = await cache.keep(b"x" * 60, 1)
    room = cache.opened.reserve(Digest.of(b"y" * 50), 50)
    assert room is not None
    with cache.opened.reading(old), pytest.raises(StorageUnavailableError, match=r"raise cache\.size_bytes"):
        await room.open()
    await room.close()
    assert len(cache.files()) == 1


async def test_copies_under_way_count_too(cache: Cache) -> None:
    first = cache.opened.reserve(Digest.of(b"1"), 60)
    assert first is not None
    assert cache.opened.reserve(Digest.of(b"2"), 41) is None
    assert cache.opened.reserve(Digest.of(b"2"), 40) is not None
    await first.close()
    assert cache.opened.reserve(Digest.of(b"3"), 60) is not None
    assert BlobCache(cache.folder, 10, lambda: NOW).reserve(Digest.of(b"4"), 11) is None


async def test_t66_bytes_that_are_not_the_blob_leave_nothing(cache: Cache) -> None:
    room = cache.opened.reserve(Digest.of(b"good"), 4)
    assert room is not None
    await room.open()
    await room.append(b"evil")
    with pytest.raises(ContentMismatchError):
        await room.verify()
    with pytest.raises(ContentMissingError):
        await room.keep()
    await room.close()
    assert cache.files() == []


async def test_t66_half_a_blob_leaves_nothing(cache: Cache) -> None:
    room = cache.opened.reserve(Digest.of(b"whole"), 5)
    assert room is not None
    await room.open()
    await room.append(b"who")
    await room.close()
    assert cache.files() == []


async def test_what_a_killed_process_left_half_done_goes_after_an_hour(cache: Cache) -> None:
    room = cache.opened.reserve(Digest.of(b"whole"), 5)
    assert room is not None
    half = await room.open()
    os.utime(half, times=(_minute(-61), _minute(-61)))
    cache.opened = cache.reopened()
    await cache.keep(b"another", 0)
    assert not half.exists()


async def test_two_processes_that_make_the_same_copy_agree(cache: Cache) -> None:
    digest = Digest.of(b"same")
    rooms = [opened.reserve(digest, 4) for opened in (cache.opened, cache.reopened())]

    async def fill(number: int) -> None:
        room = rooms[number]
        assert room is not None
        await room.open()
        await room.append(b"same")
        await room.verify()
        await room.keep()
        await room.close()

    await asyncio.gather(fill(0), fill(1))
    assert [path.read_bytes() for path in cache.files()] == [b"same"]
