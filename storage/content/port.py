"""The port every content store implements. `tests/storage/content` runs one contract suite on all of them."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from scanning.oci.digest import Digest


@dataclass(frozen=True, slots=True)
class StoredBlob:
    """A blob that is there: `size` in bytes, and when it was published."""

    digest: Digest
    size: int
    published_at: datetime


class ContentStore(Protocol):
    """Blobs named by digest. A blob is there whole or not at all, and once acknowledged survives a power cut.

    Every method raises `StorageUnavailableError` when the store does not answer or is full.
    """

    async def begin(self, owner: str = "", by: str = "") -> str:
        """Open a staging area for an upload; gives its name (letters, digits and `-`). `owner` and `by` (letters and
        digits) are whom `staged_by` and `begun_by` count it for.
        """
        ...

    async def begun_by(self, by: str) -> int:
        """How many staging areas were begun by whom, in whatever process, and are there still."""
        ...

    async def append(self, staging: str, chunk: bytes, *, at: int | None = None) -> int:
        """Add bytes; gives the new length. With `at` only if that is the length until then, whoever else writes.

        Raises `ContentMissingError` for an unknown staging area, and `ContentMovedError`.
        """
        ...

    async def staged(self, staging: str) -> int:
        """The length so far. Raises `ContentMissingError` for an unknown staging area."""
        ...

    async def staged_by(self, owner: str) -> int:
        """The bytes in all staging areas that were begun for `owner`, by whatever process, and are there still."""
        ...

    async def verify(self, staging: str, digest: Digest) -> int:
        """The length of a staging area whose bytes have this digest. Raises as `commit` does; nothing is published."""
        ...

    async def commit(self, staging: str, digest: Digest) -> int:
        """Verify and publish a staging area as a blob; gives its size in bytes.

        Raises `ContentMismatchError` (and removes the staging area) if the bytes have another digest, and
        `ContentMissingError` for an unknown staging area. Durable when it returns.
        """
        ...

    async def abandon(self, staging: str) -> None:
        """Remove a staging area; one that is not there is no error."""
        ...

    async def sweep(self, older_than: datetime) -> int:
        """Remove the staging areas last written to before `older_than`; gives how many."""
        ...

    async def find(self, digest: Digest) -> StoredBlob | None:
        """A blob, None if it is not there."""
        ...

    def read(self, digest: Digest, start: int = 0, end: int | None = None) -> AsyncGenerator[bytes, None]:
        """The bytes from `start` up to, not including, `end`. Raises `ContentMissingError`.

        Whoever stops before the end closes it (`contextlib.aclosing`).
        """
        ...

    def path(self, digest: Digest) -> Path | None:
        """Where the blob lies as a file, for sendfile; None where it is no file."""
        ...

    def blobs(self) -> AsyncGenerator[StoredBlob, None]:
        """Every blob that was there when this began and still is, in any order."""
        ...

    async def address(self, digest: Digest) -> str | None:
        """A URL where anybody can read the blob for a short time; None where there is no such way."""
        ...

    async def delete(self, digest: Digest) -> None:
        """Remove a blob; one that is not there is no error."""
        ...

    async def check(self) -> None:
        """Return if the store can be read and written."""
        ...
