"""An upstream with a read-through cache of blobs on the local disk, below the gate: every pull still needs a verdict.

    kept                                        the copy's file, if the upstream says that the repository has the blob
    not kept, and the whole of it is wanted     one download, for all who want it meanwhile
    not kept, and a part of it is wanted        the upstream's answer, of which nothing is kept

A copy is of a blob, whichever repository it was first read from. Whether a repository has it is the upstream's word
alone, which is believed for `BELIEVED_SECONDS`. So nobody reads through the cache what only another repository has
(threat 17), and nothing lives on here that was deleted there (threat 67). Where the cache itself fails, what it does
not give comes from the upstream.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from weakref import WeakValueDictionary

import structlog

from proxy.upstream.filling import Filling
from proxy.upstream.port import BlobStream, BrokenContentError, StoredManifest, TakeBody, Upload, Upstream
from scanning.oci.digest import Digest
from scanning.oci.names import Reference, Repository, Tag
from storage.blob_cache import BlobCache
from storage.errors import StorageError

BELIEVED_SECONDS = 5.0
"""How long a blob may be read from here after it was deleted there."""
_MOST_BELIEVED = 10_000
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Had:
    """The upstream said at `at` that a repository has a blob of `size`."""

    size: int
    at: float


class CachedUpstream:
    """The port over `upstream`, which it closes, with copies in `cache`, which several upstreams may share."""

    def __init__(self, upstream: Upstream, cache: BlobCache, monotonic: Callable[[], float]) -> None:
        self._upstream = upstream
        self._cache = cache
        self._monotonic = monotonic
        self._had: OrderedDict[tuple[Repository, Digest], _Had] = OrderedDict()
        self._fillings: dict[Digest, Filling] = {}
        self._turns: WeakValueDictionary[Digest, asyncio.Lock] = WeakValueDictionary()

    async def blob_size(self, repository: Repository, digest: Digest) -> int | None:
        """The size the upstream says, now or a moment ago."""
        had = self._had.get((repository, digest))
        if had is not None and self._monotonic() - had.at < BELIEVED_SECONDS:
            return had.size
        size = await self._upstream.blob_size(repository, digest)
        self._note(repository, digest, size)
        return size

    def open_blob(
        self, repository: Repository, digest: Digest, start: int = 0, end: int | None = None
    ) -> AbstractAsyncContextManager[BlobStream | None]:
        """Open a blob, or part of it; `file` is set where there is a copy."""
        return self._open_blob(repository, digest, start, end)

    @asynccontextmanager
    async def _open_blob(
        self, repository: Repository, digest: Digest, start: int, end: int | None
    ) -> AsyncIterator[BlobStream | None]:
        async with AsyncExitStack() as stack:
            stream = await self._copy(stack, repository, digest, start, end)
            if stream is None and (start > 0 or end is not None):
                stream = await stack.enter_async_context(self._upstream.open_blob(repository, digest, start, end))
                self._note(repository, digest, stream.size if stream is not None else None)
            elif stream is None:
                turn = self._turns.setdefault(digest, asyncio.Lock())
                async with turn:  # whoever waited finds what the one before has begun
                    stream = (
                        await self._copy(stack, repository, digest, start, end)
                        or await self._joined(stack, repository, digest)
                        or await self._begun(stack, repository, digest)
                    )
            yield stream

    async def _copy(
        self, stack: AsyncExitStack, repository: Repository, digest: Digest, start: int, end: int | None
    ) -> BlobStream | None:
        """The copy; None if there is none, or none that the repository is known to have."""
        blob = stack.enter_context(self._cache.reading(digest))
        if blob is None or await self.blob_size(repository, digest) != blob.size:
            return None
        try:
            await self._cache.note_use(blob)
        except StorageError as error:
            _warn(digest, error)
        stop = blob.size if end is None else end
        pieces = self._completed(self._cache.read(digest, start, stop), repository, digest, start, stop)
        return BlobStream(blob.size, start, stop, await stack.enter_async_context(aclosing(pieces)), blob.path)

    async def _joined(self, stack: AsyncExitStack, repository: Repository, digest: Digest) -> BlobStream | None:
        """The download that runs; None if there is none, or none that the repository is known to have."""
        filling = self._fillings.get(digest)
        if filling is None:
            return None
        stack.enter_context(filling.joined())
        if await self.blob_size(repository, digest) != filling.size:
            return None
        pieces = self._completed(filling.read(), repository, digest, 0, filling.size)
        return BlobStream(filling.size, 0, filling.size, await stack.enter_async_context(aclosing(pieces)))

    async def _begun(self, stack: AsyncExitStack, repository: Repository, digest: Digest) -> BlobStream | None:
        """A new download; None if the repository does not have the blob. What has no room is not kept."""
        opened = AsyncExitStack()
        stream = await opened.enter_async_context(self._upstream.open_blob(repository, digest))
        self._note(repository, digest, stream.size if stream is not None else None)
        room = self._cache.reserve(digest, stream.size) if stream is not None and digest not in self._fillings else None
        if stream is None or room is None:
            stack.push_async_exit(opened)
            return stream
        self._fillings[digest] = Filling(digest, stream, opened, room, lambda: self._fillings.pop(digest))
        return await self._joined(stack, repository, digest)

    async def _completed(
        self, pieces: AsyncGenerator[bytes, None], repository: Repository, digest: Digest, start: int, end: int
    ) -> AsyncGenerator[bytes, None]:
        """`pieces`; from where the cache fails to give them, the upstream's."""
        try:
            async with aclosing(pieces):
                async for piece in pieces:
                    start += len(piece)
                    yield piece
        except StorageError as error:
            _warn(digest, error)
        if start == end:
            return
        async with self._upstream.open_blob(repository, digest, start, end) as rest:
            if rest is None:
                raise BrokenContentError(f"the blob {digest} of {repository} was deleted while it was read")
            async for piece in rest.chunks:
                yield piece

    def _note(self, repository: Repository, digest: Digest, size: int | None) -> None:
        """What the upstream said of a blob just now."""
        self._had.pop((repository, digest), None)
        if size is not None:
            self._had[repository, digest] = _Had(size, self._monotonic())
            if len(self._had) > _MOST_BELIEVED:
                self._had.popitem(last=False)

    async def blob_location(self, repository: Repository, digest: Digest) -> str | None:
        """None while there is a copy: that is nearer."""
        with self._cache.reading(digest) as blob:
            return None if blob is not None else await self._upstream.blob_location(repository, digest)

    async def delete_blob(self, repository: Repository, digest: Digest) -> bool:
        """Delete it there, and ask there again before it is read here."""
        try:
            return await self._upstream.delete_blob(repository, digest)
        finally:
            self._note(repository, digest, None)

    def check_writable(self, repository: Repository) -> None:
        """See the port."""
        self._upstream.check_writable(repository)

    async def get_manifest(self, repository: Repository, reference: Reference) -> StoredManifest | None:
        """See the port."""
        return await self._upstream.get_manifest(repository, reference)

    async def put_manifest(self, repository: Repository, reference: Reference, media_type: str, body: bytes) -> None:
        """See the port."""
        await self._upstream.put_manifest(repository, reference, media_type, body)

    async def delete_manifest(self, repository: Repository, digest: Digest) -> bool:
        """See the port."""
        return await self._upstream.delete_manifest(repository, digest)

    async def delete_tag(self, repository: Repository, tag: Tag) -> bool:
        """See the port."""
        return await self._upstream.delete_tag(repository, tag)

    async def mount_blob(self, repository: Repository, digest: Digest, source: Repository) -> bool:
        """See the port."""
        return await self._upstream.mount_blob(repository, digest, source)

    async def begin_upload(self, repository: Repository) -> Upload:
        """See the port."""
        return await self._upstream.begin_upload(repository)

    async def append(
        self,
        repository: Repository,
        upload: Upload,
        chunks: AsyncIterator[bytes],
        *,
        length: int | None = None,
        take: TakeBody | None = None,
    ) -> Upload:
        """See the port."""
        return await self._upstream.append(repository, upload, chunks, length=length, take=take)

    async def upload_status(self, repository: Repository, upload: Upload) -> Upload:
        """See the port."""
        return await self._upstream.upload_status(repository, upload)

    async def finish_upload(self, repository: Repository, upload: Upload, digest: Digest) -> None:
        """See the port."""
        await self._upstream.finish_upload(repository, upload, digest)

    async def cancel_upload(self, repository: Repository, upload: Upload) -> None:
        """See the port."""
        await self._upstream.cancel_upload(repository, upload)

    async def tags(self, repository: Repository) -> tuple[Tag, ...] | None:
        """See the port."""
        return await self._upstream.tags(repository)

    async def repositories(self) -> tuple[Repository, ...]:
        """See the port."""
        return await self._upstream.repositories()

    async def referrers(self, repository: Repository, subject: Digest) -> tuple[StoredManifest, ...]:
        """See the port."""
        return await self._upstream.referrers(repository, subject)

    async def check(self) -> None:
        """See the port."""
        await self._upstream.check()

    async def close(self) -> None:
        """Stop what is under way, and close the upstream."""
        await asyncio.gather(*(filling.give_up() for filling in tuple(self._fillings.values())))
        await self._upstream.close()


def _warn(digest: Digest, error: StorageError) -> None:
    _log.warning("the cache failed, the upstream is read", digest=str(digest), problem=str(error))
