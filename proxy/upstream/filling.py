"""A blob on its way from the upstream into the cache, and all who read it meanwhile.

    upstream --(once)--> a file that grows --> reader, reader, ...

The upstream is read as fast as the disk takes it, whatever pace the readers have. The last byte is given to nobody
before the digest of all of them was found right, so that a broken blob ends as a broken answer everywhere.
"""

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager, suppress

from proxy.upstream.port import BlobStream, BrokenContentError, UpstreamError
from scanning.oci.digest import Digest
from storage.blob_cache import Room
from storage.content.threads import to_its_end
from storage.errors import ContentMismatchError, StorageError

_PIECE = 1 << 18
"""Bytes that go to the disk, and to a reader, at once: a hundred blobs may be under way, and have some each."""


class Filling:
    """One download, begun when it is made. `stream` is open, `opened` closes it; `room` is this object's from now on.

    `ended` is called once nobody can join any more.
    """

    def __init__(
        self, digest: Digest, stream: BlobStream, opened: AsyncExitStack, room: Room, ended: Callable[[], object]
    ) -> None:
        self.size = stream.size
        self._digest = digest
        self._stream = stream
        self._opened = opened
        self._room = room
        self._ended = ended
        self._arrived = 0
        self._verified = False
        self._error: Exception | None = None
        self._news = asyncio.Event()
        self._file: int | None = None
        self._readers = 0
        self._is_wanted = True
        self._has_begun = False
        self._is_over = False
        self._task = asyncio.create_task(self._run())

    @contextmanager
    def joined(self) -> Iterator[None]:
        """Be one of those it is for. It stops when the last of them leaves before it is done."""
        self._readers += 1
        try:
            yield
        finally:
            self._readers -= 1
            if not self._readers and not self._verified:
                self._stop()
            self._close_file()

    async def read(self) -> AsyncGenerator[bytes, None]:
        """The whole blob, from its beginning, for somebody who has `joined`.

        Raises the `UpstreamError` the download failed with, `BrokenContentError` for bytes that are not the blob's,
        and `StorageError` where the cache failed: then the bytes given so far are the upstream's.
        """
        position = 0
        if not self.size:
            await self._beyond(-1)
        while position < self.size:
            available = await self._beyond(position)
            while position < available:
                piece = await to_its_end(self._read, position, min(_PIECE, available - position))
                position += len(piece)
                yield piece

    async def give_up(self) -> None:
        """Stop it."""
        self._stop()
        await asyncio.wait([self._task])

    def _stop(self) -> None:
        """A task that is cancelled before it has begun would not clean up, nor one that is about to."""
        self._is_wanted = False
        if self._has_begun and not self._is_over:
            self._task.cancel()

    async def _beyond(self, position: int) -> int:
        """How many bytes may be given, once these are more than `position`."""
        while True:
            news = self._news
            if self._error is not None:
                raise self._error
            available = self.size if self._verified else min(self._arrived, self.size - 1)
            if available > position:
                return available
            await news.wait()

    async def _run(self) -> None:
        self._has_begun = True
        try:
            if self._is_wanted:
                await self._download()
        except (UpstreamError, StorageError) as error:
            self._error = error
        finally:
            if not self._verified and self._error is None:
                self._error = BrokenContentError(f"fetching the blob {self._digest} was given up; try again")
            self._is_over = True
            self._ended()
            self._tell()
            self._close_file()
            await self._opened.aclose()
            with suppress(StorageError):
                await self._room.close()

    async def _download(self) -> None:
        path = await self._room.open()
        self._file = os.open(path, os.O_RDONLY)
        async for piece in _in_pieces(self._stream.chunks):
            await self._room.append(piece)
            self._arrived += len(piece)
            self._tell()
        try:
            await self._room.verify()
        except ContentMismatchError as error:
            raise BrokenContentError(
                f"the upstream sent bytes for the blob {self._digest} that have another digest; nothing was kept"
            ) from error
        self._verified = True
        self._tell()
        # Who reads has all there is; what goes wrong from here on costs the copy only.
        with suppress(StorageError):
            await self._room.keep()

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    def _read(self, position: int, length: int) -> bytes:
        if self._file is None:
            raise BrokenContentError(f"the copy of the blob {self._digest} is not open")
        return os.pread(self._file, length, position)

    def _close_file(self) -> None:
        """Once nobody reads, and nobody can join any more."""
        if self._file is not None and not self._readers and self._is_over:
            file, self._file = self._file, None
            os.close(file)


async def _in_pieces(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same bytes in larger pieces: each costs a write to the disk."""
    piece: list[bytes] = []
    length = 0
    async for chunk in chunks:
        piece.append(chunk)
        length += len(chunk)
        if length >= _PIECE:
            yield b"".join(piece)
            piece, length = [], 0
    if piece:
        yield b"".join(piece)
