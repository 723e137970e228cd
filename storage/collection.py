"""Garbage collection of the embedded registry, beside running pushes.

    1  unlink    blobs that no manifest of their repository refers to, and nobody has counted on since `before`
    2  remove    bytes that no repository links, and that were published before `before`

Nothing of a push is younger than `before` when it is looked at, and what is old cannot be revived unnoticed:

- A blob that was uploaded, mounted or found to be there counts as used then (`registry.link_blob`, `use_blob`).
- A manifest is put, and blobs of its repository are unlinked, one after the other: either the manifest finds that a
  blob is gone and is refused, or its blobs are referred to.
- Bytes are removed while nobody can link them. Whoever uploads the same again links what is there before it is
  published anew, or finds nothing there and publishes what is young.
"""

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime

from storage import registry
from storage.content.port import ContentStore, StoredBlob
from storage.database import Database

_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Collected:
    """What was collected: `unlinked` blobs of `repositories`, and `removed` blobs of together `removed_bytes`."""

    repositories: int = 0
    unlinked: int = 0
    removed: int = 0
    removed_bytes: int = 0

    def __bool__(self) -> bool:
        """Whether it is anything."""
        return bool(self.unlinked or self.removed)


async def collect(database: Database, content: ContentStore, before: datetime) -> Collected:
    """Collect what nobody has needed since `before`. Several processes may do so at once.

    Raises `StorageUnavailableError`; what was done until then is right.
    """
    async with database.snapshot() as tx:
        repositories = sorted({blob.repository for blob in await registry.unused_blobs(tx, before)})
    unlinked = 0
    for repository in repositories:
        async with database.transaction() as tx:
            unlinked += len(await registry.unlink_unused(tx, repository, before))
    removed = [
        blob
        async for blob in _unlinked_blobs(database, content, before)
        if await _remove(database, content, blob, before)
    ]
    return Collected(len(repositories), unlinked, len(removed), sum(blob.size for blob in removed))


async def preview(database: Database, content: ContentStore, before: datetime) -> Collected:
    """What `collect` would do now; nothing is changed."""
    async with database.snapshot() as tx:
        unused = await registry.unused_blobs(tx, before)
        times = Counter(blob.digest for blob in unused)
        links = await registry.link_counts(tx, times)
    found = [await content.find(digest) for digest, count in links.items() if count == times[digest]]
    gone = [blob for blob in found if blob is not None and blob.published_at < before]
    gone += [blob async for blob in _unlinked_blobs(database, content, before)]
    repositories = {blob.repository for blob in unused}
    return Collected(len(repositories), len(unused), len(gone), sum(blob.size for blob in gone))


async def _unlinked_blobs(database: Database, content: ContentStore, before: datetime) -> AsyncIterator[StoredBlob]:
    """The blobs that were published before `before` and that no repository links, a moment ago."""
    async for batch in _batches(content, before):
        async with database.snapshot() as tx:
            linked = await registry.link_counts(tx, [blob.digest for blob in batch])
        for blob in batch:
            if blob.digest not in linked:
                yield blob


async def _batches(content: ContentStore, before: datetime) -> AsyncIterator[list[StoredBlob]]:
    batch: list[StoredBlob] = []
    async for blob in content.blobs():
        if blob.published_at < before:
            batch.append(blob)
        if len(batch) == _AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch


async def _remove(database: Database, content: ContentStore, blob: StoredBlob, before: datetime) -> bool:
    """Remove a blob, if it is still old and linked by nobody."""
    async with database.transaction() as tx:
        await registry.lock_blob(tx, blob.digest)
        if await registry.blob_is_linked(tx, blob.digest):
            return False
        found = await content.find(blob.digest)
        if found is None or found.published_at >= before:
            return False
        await content.delete(blob.digest)
    return True
