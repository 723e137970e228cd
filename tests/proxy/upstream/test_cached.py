"""The read-through cache: what it keeps, whom it serves, and what it never does."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from proxy.clock import utc_now
from proxy.upstream.cached import BELIEVED_SECONDS, CachedUpstream
from proxy.upstream.port import BlobStream, BrokenContentError, UpstreamUnavailableError
from scanning.oci.digest import Digest
from scanning.oci.names import Repository
from storage.blob_cache import BlobCache
from storage.errors import StorageUnavailableError
from tests.proxy.face import Time
from tests.simulators import MemoryUpstream

APP, OTHER = Repository("team/app"), Repository("team/other")
BLOB = bytes(range(256)) * 20_000
DIGEST = Digest.of(BLOB)
LIMIT = 16 << 20


@dataclass
class Registry(MemoryUpstream):
    """Counts what it is asked, and goes on with a blob when it is told to."""

    opened: int = 0
    asked: int = 0
    closed: int = 0
    sent: dict[Digest, bytes] = field(default_factory=dict)
    """What it sends instead of a blob."""
    held_up: bool = False
    closes_slowly: bool = False
    reached_half: asyncio.Event = field(default_factory=asyncio.Event)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)

    async def blob_size(self, repository: Repository, digest: Digest) -> int | None:
        self.asked += 1
        self._answer()
        return await super().blob_size(repository, digest)

    @asynccontextmanager
    async def open_blob(
        self, repository: Repository, digest: Digest, start: int = 0, end: int | None = None
    ) -> AsyncIterator[BlobStream | None]:
        self._answer()
        self.opened += 1
        try:
            async with super().open_blob(repository, digest, start, end) as stream:
                yield stream
        finally:
            if self.closes_slowly:
                await asyncio.sleep(0)
            self.closed += 1

    async def _chunks(self, content: bytes) -> AsyncIterator[bytes]:
        content = self.sent.get(Digest.of(content), content)
        half = len(content) // 2
        yield content[:half]
        self.reached_half.set()
        if self.held_up:
            await self.go_on.wait()
        if self.cut_after is not None:
            raise BrokenContentError("the simulated upstream broke off")
        yield content[half:]


@dataclass
class Cached:
    """A registry behind a cache."""

    folder: Path
    time: Time
    registry: Registry
    upstream: CachedUpstream

    opened: asyncio.Event = field(default_factory=asyncio.Event)

    async def read(self, repository: Repository = APP, start: int = 0, end: int | None = None) -> bytes | None:
        """A blob as a handler reads it; sets `opened` when it begins."""
        async with self.upstream.open_blob(repository, DIGEST, start, end) as stream:
            self.opened.set()
            return None if stream is None else b"".join([chunk async for chunk in stream.chunks])

    def files(self) -> list[Path]:
        """Everything on the disk."""
        return [path for path in self.folder.rglob("*") if path.is_file()]

    async def settled(self) -> None:
        """Wait for what goes on after the last byte was read."""
        others = asyncio.all_tasks() - {asyncio.current_task()}
        if others:
            await asyncio.wait(others)

    def restarted(self) -> CachedUpstream:
        """Another gate on the same folder, or the same one later."""
        return CachedUpstream(self.registry, BlobCache(self.folder, LIMIT, utc_now), self.time.monotonic)


@pytest.fixture
async def cached(tmp_path: Path) -> AsyncIterator[Cached]:
    """An empty cache before a registry with one blob."""
    registry, time = Registry({(APP, DIGEST): BLOB}), Time()
    upstream = CachedUpstream(registry, BlobCache(tmp_path / "cache", LIMIT, utc_now), time.monotonic)
    yield Cached(tmp_path / "cache", time, registry, upstream)
    await upstream.close()
    assert registry.closed == registry.opened


async def test_a_blob_is_fetched_once_and_then_a_file(cached: Cached) -> None:
    assert await cached.read() == BLOB
    await cached.settled()
    async with cached.upstream.open_blob(APP, DIGEST) as stream:
        assert stream is not None
        assert stream.file is not None
        assert stream.file.read_bytes() == BLOB
        assert (stream.size, stream.start, stream.end) == (len(BLOB), 0, len(BLOB))
        assert b"".join([chunk async for chunk in stream.chunks]) == BLOB
    assert (cached.registry.opened, cached.registry.asked) == (1, 0)


async def test_a_part_of_a_copy_is_read_from_it(cached: Cached) -> None:
    await cached.read()
    await cached.settled()
    assert await cached.read(start=1000, end=3000) == BLOB[1000:3000]
    assert await cached.read(start=1000) == BLOB[1000:]
    assert cached.registry.opened == 1


async def test_a_part_of_what_is_not_kept_comes_from_the_upstream_and_is_not_kept(cached: Cached) -> None:
    assert await cached.read(start=5, end=10) == BLOB[5:10]
    assert cached.files() == []


async def test_a_copy_survives_a_restart(cached: Cached) -> None:
    await cached.read()
    await cached.settled()
    async with cached.restarted().open_blob(APP, DIGEST) as stream:
        assert stream is not None
        assert stream.file is not None
    assert (cached.registry.opened, cached.registry.asked) == (1, 1)


async def test_all_who_want_a_blob_at_once_share_one_download(cached: Cached) -> None:
    cached.registry.held_up = True
    readers = [asyncio.create_task(cached.read()) for _ in range(5)]
    await cached.registry.reached_half.wait()
    late = asyncio.create_task(cached.read())
    cached.registry.go_on.set()
    assert await asyncio.gather(*readers, late) == [BLOB] * 6
    assert cached.registry.opened == 1


async def test_a_reader_gets_bytes_before_the_last_have_come(cached: Cached) -> None:
    cached.registry.held_up = True
    async with cached.upstream.open_blob(APP, DIGEST) as stream:
        assert stream is not None
        assert await anext(stream.chunks)
        assert not cached.registry.go_on.is_set()
        cached.registry.go_on.set()


async def test_a_reader_who_leaves_does_not_take_the_blob_from_the_others(cached: Cached) -> None:
    cached.registry.held_up = True
    first = asyncio.create_task(cached.read())
    await cached.registry.reached_half.wait()
    cached.opened.clear()
    second = asyncio.create_task(cached.read())
    await cached.opened.wait()
    first.cancel()
    await asyncio.wait([first])
    cached.registry.go_on.set()
    assert await second == BLOB
    assert cached.registry.opened == 1


async def test_a_download_that_nobody_waits_for_stops_and_leaves_nothing(cached: Cached) -> None:
    cached.registry.held_up = True
    reader = asyncio.create_task(cached.read())
    await cached.registry.reached_half.wait()
    reader.cancel()
    await asyncio.wait([reader])
    await cached.settled()
    assert cached.files() == []
    cached.registry.held_up = False
    assert await cached.read() == BLOB


async def test_t66_a_blob_that_is_cut_short_is_broken_for_everybody_and_not_kept(cached: Cached) -> None:
    cached.registry.cut_after = 1
    results = await asyncio.gather(*(cached.read() for _ in range(3)), return_exceptions=True)
    assert [type(result) for result in results] == [BrokenContentError] * 3
    await cached.settled()
    assert cached.files() == []
    cached.registry.cut_after = None
    assert await cached.read() == BLOB


async def test_t66_a_broken_download_cleans_up_although_its_readers_leave_meanwhile(cached: Cached) -> None:
    cached.registry.cut_after, cached.registry.closes_slowly = 1, True
    with pytest.raises(BrokenContentError):
        await cached.read()
    await cached.settled()
    assert cached.files() == []


async def test_t66_bytes_of_another_digest_are_never_whole_and_not_kept(cached: Cached) -> None:
    cached.registry.sent[DIGEST] = b"evil" * (len(BLOB) // 4)
    given = bytearray()

    async def read() -> None:
        async with cached.upstream.open_blob(APP, DIGEST) as stream:
            assert stream is not None
            async for chunk in stream.chunks:
                given.extend(chunk)

    with pytest.raises(BrokenContentError, match="another digest"):
        await read()
    assert len(given) < len(BLOB)
    await cached.settled()
    assert cached.files() == []


async def test_t17_a_copy_is_not_read_through_a_repository_that_lacks_the_blob(cached: Cached) -> None:
    await cached.read()
    await cached.settled()
    assert await cached.read(OTHER) is None
    assert await cached.read(OTHER, 0, 5) is None
    assert await cached.upstream.blob_size(OTHER, DIGEST) is None
    cached.registry.blobs[OTHER, DIGEST] = BLOB
    opened = cached.registry.opened
    assert await cached.read(OTHER) == BLOB
    assert cached.registry.opened == opened


async def test_t17_a_download_is_not_joined_from_a_repository_that_lacks_the_blob(cached: Cached) -> None:
    cached.registry.held_up = True
    reader = asyncio.create_task(cached.read())
    await cached.registry.reached_half.wait()
    assert await cached.read(OTHER) is None
    cached.registry.go_on.set()
    assert await reader == BLOB


async def test_t67_a_blob_deleted_through_the_gate_is_gone_at_once(cached: Cached) -> None:
    await cached.read()
    await cached.settled()
    assert await cached.upstream.delete_blob(APP, DIGEST) is True
    assert await cached.read() is None
    assert await cached.upstream.blob_size(APP, DIGEST) is None


async def test_t67_a_blob_deleted_behind_the_gate_is_gone_after_seconds(cached: Cached) -> None:
    await cached.read()
    await cached.settled()
    del cached.registry.blobs[APP, DIGEST]
    cached.time.passed += BELIEVED_SECONDS
    assert await cached.read() is None


async def test_an_upstream_that_is_down_is_not_hidden_for_longer(cached: Cached) -> None:
    await cached.read()
    await cached.settled()
    cached.registry.is_down = True
    assert await cached.read() == BLOB
    cached.time.passed += BELIEVED_SECONDS
    with pytest.raises(UpstreamUnavailableError):
        await cached.read()


async def test_a_copy_of_the_wrong_size_is_not_used(cached: Cached) -> None:
    await cached.read()
    await cached.settled()
    (file,) = cached.files()
    file.write_bytes(BLOB[:-1])
    assert await cached.read() == BLOB
    await cached.settled()
    assert file.read_bytes() == BLOB


async def test_a_copy_that_another_process_drops_is_read_on_from_the_upstream(cached: Cached) -> None:
    await cached.read()
    await cached.settled()
    async with cached.upstream.open_blob(APP, DIGEST) as stream:
        assert stream is not None
        assert stream.file is not None
        stream.file.unlink()
        assert b"".join([chunk async for chunk in stream.chunks]) == BLOB


async def test_a_blob_larger_than_the_cache_goes_past_it(cached: Cached, tmp_path: Path) -> None:
    small = CachedUpstream(cached.registry, BlobCache(tmp_path / "small", 1000, utc_now), cached.time.monotonic)
    async with small.open_blob(APP, DIGEST) as stream:
        assert stream is not None
        assert b"".join([chunk async for chunk in stream.chunks]) == BLOB
    assert cached.registry.opened == 1
    assert not [path for path in (tmp_path / "small").rglob("*") if path.is_file()]


@pytest.mark.parametrize("failing", ["begin", "append", "commit", "touch"])
async def test_t68_a_disk_that_fails_costs_the_copy_and_not_the_pull(
    cached: Cached, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    async def fail(*_: object) -> None:
        raise StorageUnavailableError("the disk is full")

    monkeypatch.setattr(f"storage.content.filesystem.FilesystemContent.{failing}", fail)
    assert await cached.read() == BLOB
    await cached.settled()
    if failing != "touch":
        assert cached.files() == []
    monkeypatch.undo()
    assert await cached.read() == BLOB


async def test_an_empty_blob_is_kept_as_well(cached: Cached) -> None:
    empty = Digest.of(b"")
    cached.registry.blobs[APP, empty] = b""
    for _ in range(2):
        async with cached.upstream.open_blob(APP, empty) as stream:
            assert stream is not None
            assert [chunk async for chunk in stream.chunks if chunk] == []
        await cached.settled()
    assert cached.registry.opened == 1


async def test_who_leaves_at_once_leaves_nothing_behind(cached: Cached) -> None:
    async with cached.upstream.open_blob(APP, DIGEST) as stream:
        assert stream is not None
    await cached.settled()
    assert cached.files() == []
    assert await cached.read() == BLOB


async def test_clients_are_sent_elsewhere_only_for_what_is_not_kept(cached: Cached) -> None:
    cached.registry.locations[DIGEST] = "https://blobs.example/x"
    assert await cached.upstream.blob_location(APP, DIGEST) == "https://blobs.example/x"
    await cached.read()
    await cached.settled()
    assert await cached.upstream.blob_location(APP, DIGEST) is None


async def test_closing_stops_what_is_under_way(cached: Cached) -> None:
    cached.registry.held_up = True
    reader = asyncio.create_task(cached.read())
    await cached.registry.reached_half.wait()
    await cached.upstream.close()
    with pytest.raises(BrokenContentError, match="given up"):
        await reader
    assert cached.files() == []
