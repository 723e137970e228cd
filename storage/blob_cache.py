"""Copies of blobs that lie elsewhere, on a local disk: so many bytes of them, and of these the ones used last.

A copy is there whole and verified or not at all, as in any content store. When one was used last is its file's time,
so that a restart forgets nothing and processes can share the folder. What is read is not dropped by its own process;
another one may, and then the file stays readable for who has it open.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from scanning.oci.digest import Digest
from storage.content.filesystem import FilesystemContent
from storage.errors import StorageUnavailableError

_EXACT = timedelta(minutes=1)
"""How exact the order of last use is."""
_ABANDONED = timedelta(hours=1)
"""A copy that has not grown for so long belongs to a process that is gone."""


@dataclass(frozen=True, slots=True)
class CachedBlob:
    """A copy: where its file is, its size in bytes, and when it was last used, in seconds since 1970."""

    digest: Digest
    path: Path
    size: int
    used_at: float


class BlobCache:
    """The copies in `folder`, at most `limit` bytes together with those that this process is about to make.

    Raises `StorageUnavailableError` if the folder cannot be made.
    """

    def __init__(self, folder: Path, limit: int, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._content = FilesystemContent(folder)
        self._limit = limit
        self._reserved = 0
        self._readers: Counter[Digest] = Counter()
        self._eviction = asyncio.Lock()

    @contextmanager
    def reading(self, digest: Digest) -> Iterator[CachedBlob | None]:
        """The copy of a blob, None if there is none; it is not dropped before the block ends."""
        self._readers[digest] += 1
        try:
            yield self._find(digest)
        finally:
            self._readers[digest] -= 1
            if not self._readers[digest]:
                del self._readers[digest]

    def read(self, digest: Digest, start: int, end: int) -> AsyncGenerator[bytes, None]:
        """Bytes `start` up to, not including, `end`. Raises `ContentMissingError` if the copy was dropped."""
        return self._content.read(digest, start, end)

    async def note_use(self, blob: CachedBlob) -> None:
        """A copy is used now."""
        if self._clock().timestamp() - blob.used_at >= _EXACT.total_seconds():
            await self._content.touch(blob.digest)

    def reserve(self, digest: Digest, size: int) -> "Room | None":
        """Room for a copy, to be opened and closed; None where it does not fit beside those that are being made."""
        if self._reserved + size > self._limit:
            return None
        self._reserved += size
        return Room(self, self._content, digest, size)

    def release(self, size: int) -> None:
        """Give back what was reserved."""
        self._reserved -= size

    async def make_room(self) -> None:
        """Drop copies, those used longest ago first, until all fits that is reserved.

        Raises `StorageUnavailableError` where everything that could go is being read.
        """
        async with self._eviction:
            await self._content.sweep(self._clock() - _ABANDONED)
            blobs = [blob async for blob in self._content.blobs()]
            excess = sum(blob.size for blob in blobs) + self._reserved - self._limit
            for blob in sorted(blobs, key=lambda blob: blob.published_at):
                if excess <= 0:
                    break
                if not self._readers[blob.digest]:
                    await self._content.delete(blob.digest)
                    excess -= blob.size
        if excess > 0:
            raise StorageUnavailableError(
                f"the cache has no room: its {self._limit} bytes are being read or written; raise cache.size_bytes"
            )

    def _find(self, digest: Digest) -> CachedBlob | None:
        path = self._content.path(digest)
        if path is None:
            return None
        try:
            found = path.stat()
        except FileNotFoundError:
            return None
        return CachedBlob(digest, path, found.st_size, found.st_mtime)


class Room:
    """Where one copy is made. Its methods raise the `StorageError` family."""

    def __init__(self, cache: BlobCache, content: FilesystemContent, digest: Digest, size: int) -> None:
        """See `BlobCache.reserve`."""
        self._cache = cache
        self._content = content
        self._digest = digest
        self._size = size
        self._staging = ""

    async def open(self) -> Path:
        """Make room on the disk; gives the file that `append` writes to."""
        await self._cache.make_room()
        self._staging = await self._content.begin()
        return self._content.staged_path(self._staging)

    async def append(self, chunk: bytes) -> None:
        """Add bytes."""
        await self._content.append(self._staging, chunk)

    async def verify(self) -> None:
        """Return if the bytes are the blob's. Raises `ContentMismatchError`, and then nothing is left of them."""
        await self._content.verify(self._staging, self._digest)

    async def keep(self) -> None:
        """Let them be the copy."""
        await self._content.commit(self._staging, self._digest)

    async def close(self) -> None:
        """Remove what was not kept, and give the room back."""
        self._cache.release(self._size)
        if self._staging:
            await self._content.abandon(self._staging)
