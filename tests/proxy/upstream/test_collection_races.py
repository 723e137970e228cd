"""Pushes of every kind while garbage is collected without a pause, on both databases, by several replicas.

Time is a counter here. A push takes less than half the grace period, as the collector asks: the counter waits for
pushes that have taken too long, and for nothing else.
"""

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from proxy.upstream.embedded import EmbeddedUpstream
from proxy.upstream.port import Upstream
from scanning.oci.digest import Digest
from scanning.oci.media_types import OCI_MANIFEST
from scanning.oci.names import Repository
from storage import registry
from storage.collection import Collected, collect
from storage.content.filesystem import FilesystemContent
from storage.content.port import StoredBlob
from storage.database import Database
from tests.proxy.upstream.oci_content import image_manifest, push_blob

TICK = timedelta(minutes=1)
GRACE = 10 * TICK
LONGEST_PUSH = 4 * TICK
REPOSITORIES = tuple(map(Repository, ("team/one", "team/two")))
BLOBS = tuple(f"blob {number}".encode() for number in range(5))
PUSHES_OF_EACH = 15


@dataclass
class Era:
    """The time everything goes by, and who is in the middle of a push."""

    now: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    running: dict[int, datetime] = field(default_factory=dict)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    published: dict[Digest, datetime] = field(default_factory=dict)

    def read(self) -> datetime:
        """The clock."""
        return self.now

    @asynccontextmanager
    async def push(self, who: int) -> AsyncIterator[None]:
        """Time does not run away from what happens in the block."""
        self.running[who] = self.now
        try:
            yield
        finally:
            del self.running[who]
            self.changed.set()

    async def pass_on(self) -> None:
        """Let time pass for ever."""
        while True:
            while any(self.now - began >= LONGEST_PUSH for began in self.running.values()):
                self.changed.clear()
                await self.changed.wait()
            self.now += TICK
            await asyncio.sleep(0)


class TimedContent(FilesystemContent):
    """Counts a blob's age in the era's time. Replicas share the folder and the times."""

    def __init__(self, folder: Path, era: Era) -> None:
        super().__init__(folder)
        self._era = era

    async def commit(self, staging: str, digest: Digest) -> int:
        """Note when."""
        self._era.published[digest] = self._era.now  # before it can be seen
        return await super().commit(staging, digest)

    async def find(self, digest: Digest) -> StoredBlob | None:
        """In the era's time."""
        found = await super().find(digest)
        return self._timed(found) if found is not None else None

    async def blobs(self) -> AsyncGenerator[StoredBlob, None]:
        """In the era's time."""
        async for blob in super().blobs():
            yield self._timed(blob)

    def _timed(self, blob: StoredBlob) -> StoredBlob:
        return replace(blob, published_at=self._era.published[blob.digest])


@dataclass
class Replica:
    """One of several gates on the same database and content."""

    database: Database
    content: TimedContent
    upstream: EmbeddedUpstream


@pytest.fixture
async def era() -> Era:
    """The beginning of time."""
    return Era()


@pytest.fixture
async def replicas(database_url: str, tmp_path: Path, era: Era) -> AsyncIterator[list[Replica]]:
    """Three of them."""
    made = []
    for _ in range(3):
        database, content = await Database.open(database_url), TimedContent(tmp_path / "content", era)
        made.append(Replica(database, content, EmbeddedUpstream(database, content, grace=GRACE, clock=era.read)))
    yield made
    for replica in made:
        await replica.database.close()


async def test_no_push_ever_notices_that_garbage_is_collected(replicas: list[Replica], era: Era) -> None:
    time = asyncio.create_task(era.pass_on())
    collected: list[Collected] = []
    collectors = [asyncio.create_task(collect_for_ever(replica, era, collected)) for replica in replicas[:2]]
    pushers = [push_again_and_again(who, replicas[who % len(replicas)].upstream, era) for who in range(4)]
    try:
        await asyncio.gather(*pushers)
    finally:
        for task in (time, *collectors):
            task.cancel()
        ended = await asyncio.gather(time, *collectors, return_exceptions=True)
    assert all(isinstance(end, asyncio.CancelledError) for end in ended), ended
    assert sum(found.removed for found in collected) > 0, "nothing was ever collected, so nothing was shown"

    era.now += 2 * GRACE
    await collect(replicas[0].database, replicas[0].content, era.now - GRACE)
    async with replicas[0].database.snapshot() as tx:
        assert await registry.bytes_held(tx) == {}
    assert [blob async for blob in replicas[0].content.blobs()] == []


async def collect_for_ever(replica: Replica, era: Era, collected: list[Collected]) -> None:
    while True:
        collected.append(await collect(replica.database, replica.content, era.now - GRACE))
        await asyncio.sleep(0)


async def push_again_and_again(who: int, upstream: Upstream, era: Era) -> None:
    """Push images made of the same few blobs, read each back whole, and delete it."""
    chance = random.Random(who)  # noqa: S311 - repeatable
    for number in range(PUSHES_OF_EACH):
        repository = chance.choice(REPOSITORIES)
        config, layer = f'{{"by": "{who}", "number": {number % 3}}}'.encode(), chance.choice(BLOBS)
        async with era.push(who):
            for content in (config, layer):
                await provide(upstream, repository, content, chance)
            body = image_manifest(config, layer)
            await upstream.put_manifest(repository, Digest.of(body), OCI_MANIFEST, body)
        await asyncio.sleep(0)
        for content in (config, layer):
            async with upstream.open_blob(repository, Digest.of(content)) as stream:
                assert stream is not None, "a blob of a manifest that is there is gone"
                assert b"".join([chunk async for chunk in stream.chunks]) == content
        await upstream.delete_manifest(repository, Digest.of(body))


async def provide(upstream: Upstream, repository: Repository, content: bytes, chance: random.Random) -> None:
    """What a client does about a blob: ask for it, else mount it, else upload it; some upload without asking."""
    digest = Digest.of(content)
    if chance.random() < 0.7 and await upstream.blob_size(repository, digest) is not None:
        return
    if chance.random() < 0.4 and await upstream.mount_blob(repository, digest, chance.choice(REPOSITORIES)):
        return
    await push_blob(upstream, repository, content)


async def test_an_upload_of_the_very_bytes_that_are_being_removed_is_not_lost(
    replicas: list[Replica], era: Era, monkeypatch: pytest.MonkeyPatch
) -> None:
    collector, pusher = replicas[:2]
    repository, content = REPOSITORIES[0], b"the same bytes again"
    await push_blob(collector.upstream, repository, content)
    era.now += 2 * GRACE
    remove, pushing = collector.content.delete, []

    async def slowly(digest: Digest) -> None:
        """They were found to be old and linked by nobody; now somebody uploads them."""
        pushing.append(asyncio.create_task(push_blob(pusher.upstream, repository, content)))
        await asyncio.wait(pushing, timeout=0.3)  # time enough, were it not kept waiting
        await remove(digest)

    monkeypatch.setattr(collector.content, "delete", slowly)
    assert (await collect(collector.database, collector.content, era.now - GRACE)).removed == 1
    digest = await pushing[0]
    async with pusher.upstream.open_blob(repository, digest) as stream:
        assert stream is not None
        assert b"".join([chunk async for chunk in stream.chunks]) == content
