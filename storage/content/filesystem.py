"""A content store in a folder.

    folder/
      uploads/<name>                    staging areas
      blobs/<algorithm>/<2 hex>/<hex>   blobs; a file is there only once it is complete and verified

Becoming a blob is: verify, fsync, rename, fsync of the folder (`storage.durable`).
"""

import os
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, suppress
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path

from scanning.errors import InvalidDigestError
from scanning.oci.digest import Digest
from storage import durable
from storage.content.disk import disk_errors
from storage.content.port import StoredBlob
from storage.content.staged import StagedContent
from storage.content.threads import read_ahead, to_its_end
from storage.errors import ContentMissingError

_ALGORITHMS = ("sha256", "sha512")
_SHARDS = tuple(f"{number:02x}" for number in range(256))


class FilesystemContent(StagedContent):
    """`storage.content.port.ContentStore` in `folder`, which only one machine may use. Folders are made at once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._blobs = folder / "blobs"
        with disk_errors(folder):
            for algorithm in _ALGORITHMS:
                durable.make_folders(self._blobs / algorithm, _SHARDS)
        super().__init__(folder / "uploads")

    async def commit(self, staging: str, digest: Digest) -> int:
        """Verify and publish a staging area; gives its size in bytes."""
        async with self._staging.seal(staging, digest) as (file, length):
            await to_its_end(self._publish, file, digest)
        return length

    async def find(self, digest: Digest) -> StoredBlob | None:
        """A blob's size and time."""
        return await to_its_end(self._find, digest)

    async def read(self, digest: Digest, start: int = 0, end: int | None = None) -> AsyncGenerator[bytes, None]:
        """The bytes from `start` up to, not including, `end`."""
        file, size = await to_its_end(self._open, digest)

        def read(length: int) -> bytes:
            with disk_errors(self._folder):
                return file.read(length)

        try:
            file.seek(start)
            end = size if end is None else min(end, size)
            async with aclosing(read_ahead(read, max(0, end - start))) as chunks:
                async for chunk in chunks:
                    yield chunk
        finally:
            file.close()

    def path(self, digest: Digest) -> Path | None:
        """The blob's file."""
        path = self._blob(digest)
        return path if path.is_file() else None

    async def blobs(self) -> AsyncGenerator[StoredBlob, None]:
        """Every blob."""
        for algorithm in _ALGORITHMS:
            for blob in await to_its_end(self._list, algorithm):
                yield blob

    async def touch(self, digest: Digest) -> None:
        """Let a blob count as published now; one that is not there is no error."""
        await to_its_end(self._touch, digest)

    def staged_path(self, staging: str) -> Path:
        """The file of a staging area, to read what was appended so far."""
        return self._staging.path(staging)

    async def address(self, digest: Digest) -> str | None:
        """Nobody else reads the folder."""
        return None

    async def delete(self, digest: Digest) -> None:
        """Remove a blob; who reads it already reads on."""
        await to_its_end(self._delete, digest)

    async def check(self) -> None:
        """Return if the folder can be written to."""
        await self._staging.check()

    def _blob(self, digest: Digest) -> Path:
        return self._blobs / digest.algorithm / digest.hex[:2] / digest.hex

    def _publish(self, file: Path, digest: Digest) -> None:
        with disk_errors(self._folder):
            os.utime(file)  # its last bytes may have come long ago, and a blob's age counts from now
            durable.publish(file, self._blob(digest))

    def _list(self, algorithm: str) -> list[StoredBlob]:
        with disk_errors(self._folder):
            return [blob for shard in _SHARDS for blob in _blobs_in(self._blobs / algorithm / shard, algorithm)]

    def _touch(self, digest: Digest) -> None:
        with disk_errors(self._folder), suppress(FileNotFoundError):
            os.utime(self._blob(digest))

    def _find(self, digest: Digest) -> StoredBlob | None:
        with disk_errors(self._folder):
            try:
                return _stored(digest, self._blob(digest).stat())
            except FileNotFoundError:
                return None

    def _open(self, digest: Digest) -> tuple[FileIO, int]:
        with disk_errors(self._folder):
            try:
                file = FileIO(self._blob(digest))
            except FileNotFoundError as error:
                raise ContentMissingError(f"the blob {digest} is not in the content store; push it again") from error
            return file, os.fstat(file.fileno()).st_size

    def _delete(self, digest: Digest) -> None:
        with disk_errors(self._folder):
            self._blob(digest).unlink(missing_ok=True)


def _blobs_in(folder: Path, algorithm: str) -> Iterator[StoredBlob]:
    """What lies in one folder and is a blob; what goes meanwhile is left out."""
    with os.scandir(folder) as entries:
        for entry in entries:
            with suppress(FileNotFoundError, InvalidDigestError):
                yield _stored(Digest.parse(f"{algorithm}:{entry.name}"), entry.stat(follow_symlinks=False))


def _stored(digest: Digest, found: os.stat_result) -> StoredBlob:
    return StoredBlob(digest, found.st_size, datetime.fromtimestamp(found.st_mtime, UTC))
