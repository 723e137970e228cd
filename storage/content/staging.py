"""Uploads that are not blobs yet: one file each, in a folder of their own.

    folder/<owner>-<id>     what was appended so far; without an owner, folder/<id>

Bytes are hashed as they come. What this process did not append all by itself, after a restart for instance, is
hashed again from the file before it may become a blob.
"""

import asyncio
import fcntl
import hashlib
import os
import re
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from scanning.oci.digest import Digest
from storage.content.disk import disk_errors
from storage.content.threads import to_its_end
from storage.errors import ContentMismatchError, ContentMissingError, ContentMovedError

_NAME = re.compile(r"[A-Za-z0-9-]{1,96}")
_OWNER = re.compile(r"[A-Za-z0-9]{1,31}")
_USUAL = "sha256"


class _Hash(Protocol):
    def update(self, data: bytes, /) -> None: ...

    def hexdigest(self) -> str: ...


@dataclass(slots=True)
class _Progress:
    """What this process knows of an area. `hash` is over its first `hashed` bytes; only one task may have a `turn`."""

    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    hashed: int = 0
    hash: _Hash = field(default_factory=lambda: hashlib.new(_USUAL))


class Staging:
    """The staging areas in one folder. Methods raise as `storage.content.port` says."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._progress: dict[str, _Progress] = {}
        with disk_errors(folder):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    async def begin(self, owner: str = "", by: str = "") -> str:
        """Make an empty area; gives its name."""
        before, after = f"{_checked(owner)}-" if owner else "", f"-{_checked(by)}" if by else ""
        name = f"{before}{uuid.uuid4().hex}{after}"
        await to_its_end(self._create, name)
        return name

    async def begun_by(self, by: str) -> int:
        """How many areas were begun by whom."""
        return await to_its_end(self._begun_by, _checked(by))

    async def append(self, name: str, chunk: bytes, *, at: int | None = None) -> int:
        """Add bytes, with `at` only there; gives the new length. After an error the area is as long as before."""
        async with self._turn(name) as progress:
            return await to_its_end(self._append, name, chunk, at, progress)

    async def length(self, name: str) -> int:
        """The length so far."""
        return await to_its_end(self._length, name)

    async def bytes_of(self, owner: str) -> int:
        """The length of all areas of `owner` together."""
        return await to_its_end(self._bytes_of, _checked(owner))

    async def verify(self, name: str, digest: Digest) -> int:
        """The length of an area whose bytes have this digest; any other is removed."""
        async with self._turn(name) as progress:
            return await to_its_end(self._verify, name, digest, progress)

    def path(self, name: str) -> Path:
        """The file of an area. Raises `ContentMissingError` for what is no name of one."""
        if _NAME.fullmatch(name) is None:
            raise _unknown(name)
        return self._folder / name

    @asynccontextmanager
    async def seal(self, name: str, digest: Digest) -> AsyncIterator[tuple[Path, int]]:
        """The file of an area whose bytes have this digest, and its length; both are gone when the block ends.

        Where the bytes have another digest the area is removed at once. When the block fails it stays, so that the
        upload can be finished again.
        """
        async with self._turn(name) as progress:
            length = await to_its_end(self._verify, name, digest, progress)
            yield self.path(name), length
            await to_its_end(self._remove, name)

    async def abandon(self, name: str) -> None:
        """Remove an area; one that is not there is no error."""
        with suppress(ContentMissingError):
            async with self._turn(name):
                await to_its_end(self._remove, name)

    async def sweep(self, older_than: datetime) -> int:
        """Remove the areas last written to before `older_than`; gives how many."""
        stale = await to_its_end(self._stale, older_than)
        for name in stale:
            await self.abandon(name)
        return len(stale)

    async def check(self) -> None:
        """Return if areas can be made and written to."""
        name = await self.begin()
        try:
            await self.append(name, b"\0")
        finally:
            await self.abandon(name)

    @asynccontextmanager
    async def _turn(self, name: str) -> AsyncIterator[_Progress]:
        """Wait for the others; what is known of an area is forgotten with it."""
        path = self.path(name)
        progress = self._progress.setdefault(name, _Progress())
        async with progress.turn:
            try:
                yield progress
            finally:
                if not path.exists():
                    self._progress.pop(name, None)

    @contextmanager
    def _errors(self, name: str) -> Iterator[None]:
        with disk_errors(self._folder):
            try:
                yield
            except FileNotFoundError as error:
                raise _unknown(name) from error

    def _create(self, name: str) -> None:
        with disk_errors(self._folder):
            os.close(os.open(self.path(name), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))

    def _append(self, name: str, chunk: bytes, at: int | None, progress: _Progress) -> int:
        with self._errors(name), self.path(name).open("r+b", buffering=0) as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # against other processes, until it is closed
            before = file.seek(0, os.SEEK_END)
            if at is not None and at != before:
                raise ContentMovedError(f"the upload stands at byte {before}, not {at}", length=before)
            try:
                _write(file.fileno(), chunk)
            except OSError:
                file.truncate(before)
                raise
        if progress.hashed == before:
            progress.hash.update(chunk)
            progress.hashed += len(chunk)
        return before + len(chunk)

    def _length(self, name: str) -> int:
        with self._errors(name):
            return self.path(name).stat().st_size

    def _bytes_of(self, owner: str) -> int:
        total = 0
        with disk_errors(self._folder), os.scandir(self._folder) as entries:
            for entry in entries:
                if entry.name.startswith(f"{owner}-"):
                    with suppress(FileNotFoundError):
                        total += entry.stat().st_size
        return total

    def _begun_by(self, by: str) -> int:
        with disk_errors(self._folder), os.scandir(self._folder) as entries:
            return sum(entry.name.endswith(f"-{by}") for entry in entries)

    def _verify(self, name: str, digest: Digest, progress: _Progress) -> int:
        length = self._length(name)
        if digest.algorithm == _USUAL and progress.hashed == length:
            found = progress.hash.hexdigest()
        else:
            with self._errors(name), self.path(name).open("rb") as file:
                found = hashlib.file_digest(file, digest.algorithm).hexdigest()
        if found != digest.hex:
            self._remove(name)
            raise ContentMismatchError(
                f"the {length} bytes uploaded have the digest {digest.algorithm}:{found}, not {digest}; nothing was"
                " kept, upload them again"
            )
        return length

    def _remove(self, name: str) -> None:
        with disk_errors(self._folder):
            self.path(name).unlink(missing_ok=True)

    def _stale(self, older_than: datetime) -> list[str]:
        with disk_errors(self._folder):
            return [
                path.name
                for path in self._folder.iterdir()
                if datetime.fromtimestamp(path.stat().st_mtime, UTC) < older_than
            ]


def _checked(owner: str) -> str:
    if _OWNER.fullmatch(owner) is None:
        raise ValueError(f"{owner!r} cannot own uploads: only letters and digits name an owner")
    return owner


def _write(handle: int, chunk: bytes) -> None:
    """All of it: the system may take less at a time."""
    left = memoryview(chunk)
    while left:
        left = left[os.write(handle, left) :]


def _unknown(name: str) -> ContentMissingError:
    return ContentMissingError(f"there is no upload {name[:64]!r}; begin a new one")
