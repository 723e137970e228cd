"""What every content store does alike: uploads gather on a local disk before they become blobs."""

from datetime import datetime
from pathlib import Path

from scanning.oci.digest import Digest
from storage.content.staging import Staging


class StagedContent:
    """The part of `storage.content.port.ContentStore` that is about staging areas, which lie in a folder."""

    def __init__(self, staging: Path) -> None:
        self._staging = Staging(staging)

    async def begin(self, owner: str = "", by: str = "") -> str:
        """Open a staging area."""
        return await self._staging.begin(owner, by)

    async def begun_by(self, by: str) -> int:
        """How many staging areas were begun by whom."""
        return await self._staging.begun_by(by)

    async def append(self, staging: str, chunk: bytes, *, at: int | None = None) -> int:
        """Add bytes, with `at` only there; gives the new length."""
        return await self._staging.append(staging, chunk, at=at)

    async def staged(self, staging: str) -> int:
        """The length so far."""
        return await self._staging.length(staging)

    async def staged_by(self, owner: str) -> int:
        """The bytes in all staging areas of `owner`."""
        return await self._staging.bytes_of(owner)

    async def verify(self, staging: str, digest: Digest) -> int:
        """The length of a staging area that has this digest."""
        return await self._staging.verify(staging, digest)

    async def abandon(self, staging: str) -> None:
        """Remove a staging area."""
        await self._staging.abandon(staging)

    async def sweep(self, older_than: datetime) -> int:
        """Remove the staging areas last written to before `older_than`; gives how many."""
        return await self._staging.sweep(older_than)
