"""A registry and a gate in memory: they keep the contracts of their ports, and fail when a test tells them to."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from proxy.errors import BlobUnknownError, DeniedError, FixedTagError, ManifestUnknownError, NameUnknownError
from proxy.identity.principal import Action, Caller
from proxy.upstream.port import (
    BlobStream,
    BrokenContentError,
    DigestMismatchError,
    StoredManifest,
    TakeBody,
    Upload,
    UploadOffsetError,
    UploadUnknownError,
    UpstreamReadOnlyError,
    UpstreamUnavailableError,
)
from scanning.oci.digest import Digest
from scanning.oci.manifest import Descriptor
from scanning.oci.names import Reference, Repository, Tag


@dataclass
class MemoryUpstream:
    """Blobs and uploads of one registry."""

    blobs: dict[tuple[Repository, Digest], bytes] = field(default_factory=dict)
    uploads: dict[str, bytearray] = field(default_factory=dict)
    manifests: dict[tuple[Repository, Reference], StoredManifest] = field(default_factory=dict)
    files: dict[Digest, Path] = field(default_factory=dict)
    """Where a blob is also a file on this machine."""
    locations: dict[Digest, str] = field(default_factory=dict)
    """Where clients get a blob by themselves."""
    cut_after: int | None = None
    """Break off every blob after so many bytes."""
    released: asyncio.Queue[Digest] = field(default_factory=asyncio.Queue)
    """The blobs that were read, each when its reader let go of it."""
    is_down: bool = False
    read_only: set[Repository] = field(default_factory=set)

    def check_writable(self, repository: Repository) -> None:
        if repository in self.read_only:
            raise UpstreamReadOnlyError(f"{repository} is read-only at the simulated upstream")

    async def get_manifest(self, repository: Repository, reference: Reference) -> StoredManifest | None:
        return self.manifests.get((repository, reference))

    async def put_manifest(self, repository: Repository, reference: Reference, media_type: str, body: bytes) -> None:
        stored = StoredManifest(Digest.of(body), media_type, body)
        self.manifests[repository, reference] = self.manifests[repository, stored.digest] = stored

    async def delete_manifest(self, repository: Repository, digest: Digest) -> bool:
        return self.manifests.pop((repository, digest), None) is not None

    async def delete_tag(self, repository: Repository, tag: Tag) -> bool:
        return self.manifests.pop((repository, tag), None) is not None

    async def blob_size(self, repository: Repository, digest: Digest) -> int | None:
        content = self.blobs.get((repository, digest))
        return None if content is None else len(content)

    @asynccontextmanager
    async def open_blob(
        self, repository: Repository, digest: Digest, start: int = 0, end: int | None = None
    ) -> AsyncIterator[BlobStream | None]:
        content = self.blobs.get((repository, digest))
        if content is None:
            yield None
            return
        stop = len(content) if end is None else end
        try:
            yield BlobStream(len(content), start, stop, self._chunks(content[start:stop]), self.files.get(digest))
        finally:
            self.released.put_nowait(digest)

    async def _chunks(self, content: bytes) -> AsyncIterator[bytes]:
        if self.cut_after is not None:
            yield content[: self.cut_after]
            raise BrokenContentError("the simulated upstream broke off")
        yield content

    async def blob_location(self, repository: Repository, digest: Digest) -> str | None:
        return self.locations.get(digest)

    async def delete_blob(self, repository: Repository, digest: Digest) -> bool:
        return self.blobs.pop((repository, digest), None) is not None

    async def mount_blob(self, repository: Repository, digest: Digest, source: Repository) -> bool:
        content = self.blobs.get((source, digest))
        if content is None:
            return False
        self.blobs[repository, digest] = content
        return True

    async def begin_upload(self, repository: Repository) -> Upload:
        self._answer()
        state = f"{repository}#{len(self.uploads)}"
        self.uploads[state] = bytearray()
        return Upload(state, 0)

    async def append(
        self,
        repository: Repository,
        upload: Upload,
        chunks: AsyncIterator[bytes],
        *,
        length: int | None = None,
        take: TakeBody | None = None,
    ) -> Upload:
        kept = self._upload(upload)
        if upload.offset != len(kept):
            raise UploadOffsetError("not where the upload stands", offset=len(kept))
        async for chunk in chunks:
            self._answer()
            kept += chunk
        return replace(upload, offset=len(kept))

    async def upload_status(self, repository: Repository, upload: Upload) -> Upload:
        return replace(upload, offset=len(self._upload(upload)))

    async def finish_upload(self, repository: Repository, upload: Upload, digest: Digest) -> None:
        content = bytes(self._upload(upload))
        if not digest.matches(content):
            raise DigestMismatchError(f"the upload is not {digest}")
        del self.uploads[upload.state]
        self.blobs[repository, digest] = content

    async def cancel_upload(self, repository: Repository, upload: Upload) -> None:
        self._upload(upload)
        del self.uploads[upload.state]

    async def tags(self, repository: Repository) -> tuple[Tag, ...] | None:
        return tuple(sorted(ref for name, ref in self.manifests if name == repository and isinstance(ref, Tag)))

    async def repositories(self) -> tuple[Repository, ...]:
        return tuple(sorted({name for name, _ in self.manifests}))

    async def referrers(self, repository: Repository, subject: Digest) -> tuple[StoredManifest, ...]:
        return ()

    async def check(self) -> None:
        self._answer()

    async def close(self) -> None:
        return

    def _upload(self, upload: Upload) -> bytearray:
        if upload.state not in self.uploads:
            raise UploadUnknownError("the simulated upstream knows no such upload")
        return self.uploads[upload.state]

    def _answer(self) -> None:
        if self.is_down:
            raise UpstreamUnavailableError("the simulated upstream is down")


@dataclass
class RecordingObserver:
    """Remembers what it was shown, and how it ended."""

    seen: bytearray = field(default_factory=bytearray)
    finished: Digest | None = None
    abandoned: bool = False

    async def feed(self, chunk: bytes) -> None:
        self.seen += chunk

    async def finish(self, digest: Digest) -> None:
        self.finished = digest

    async def abandon(self) -> None:
        self.abandoned = True


@dataclass(frozen=True)
class Pushed:
    """What the simulated gate says of a manifest."""

    digest: Digest
    subject: Digest | None
    warnings: tuple[str, ...]


@dataclass
class MemoryGate:
    """Admits everything but what `denied` names."""

    upstream: MemoryUpstream
    denied: set[Digest] = field(default_factory=set)
    fixed: set[Reference] = field(default_factory=set)
    """The tags that cannot be set any more."""
    subjects: dict[Digest, Digest] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    referring: tuple[Descriptor, ...] = ()
    observers: list[RecordingObserver] = field(default_factory=list)
    uploaded_bytes: int = 0
    unobserved: list[tuple[Repository, Digest]] = field(default_factory=list)
    sends_all: bool = False
    """Whether its policy redirects nobody."""
    unadmitted: set[Digest] = field(default_factory=set)
    """What only those who push may read."""
    is_busy: bool = False
    pushes_wait_for: asyncio.Event | None = None
    pushes_waiting: int = 0
    continued: list[bool] = field(default_factory=list)
    """Of each list that was asked for, whether it goes on with another."""

    async def push_manifest(
        self, caller: Caller, repository: Repository, reference: Reference, content_type: str, body: bytes
    ) -> Pushed:
        digest = Digest.of(body)
        self._check(digest)
        if self.pushes_wait_for is not None:
            self.pushes_waiting += 1
            await self.pushes_wait_for.wait()
        if reference in self.fixed:
            raise FixedTagError(f"{repository}:{reference} cannot be moved")
        await self.upstream.put_manifest(repository, reference, content_type, body)
        return Pushed(digest, self.subjects.get(digest), self.warnings)

    async def pull_manifest(
        self, caller: Caller, repository: Repository, reference: Reference, *, head: bool
    ) -> StoredManifest:
        stored = await self.upstream.get_manifest(repository, reference)
        if stored is None:
            raise ManifestUnknownError(f"{repository} has no manifest {reference}")
        self._check(stored.digest)
        return stored

    def recall_manifest(self, caller: Caller, repository: Repository, stored: StoredManifest, *, head: bool) -> None:
        return None

    def note_repeated(self, lines: bytes) -> None:
        raise AssertionError("nothing is recalled here")

    async def check_blob(self, caller: Caller, repository: Repository, digest: Digest) -> None:
        self._check(digest)
        if (repository, digest) not in self.upstream.blobs:
            raise BlobUnknownError(f"{repository} has no blob {digest}")

    def redirects_blobs(self, repository: Repository) -> bool:
        return not self.sends_all

    async def admits_blob(self, repository: Repository, digest: Digest) -> bool:
        return digest not in self.unadmitted

    async def referrers(self, caller: Caller, repository: Repository, subject: Digest) -> tuple[Descriptor, ...]:
        return self.referring

    async def tags(self, caller: Caller, repository: Repository, *, is_continued: bool = False) -> tuple[Tag, ...]:
        self.continued.append(is_continued)
        tags = await self.upstream.tags(repository)
        if not tags:
            raise NameUnknownError(f"there is no repository {repository}")
        return tags

    async def repositories(self, caller: Caller, *, is_continued: bool = False) -> tuple[Repository, ...]:
        self.continued.append(is_continued)
        everything = await self.upstream.repositories()
        return tuple(name for name in everything if caller.principal.granted(Action.PULL, name))

    async def delete_manifest(self, caller: Caller, repository: Repository, reference: Reference) -> None:
        if self.upstream.manifests.pop((repository, reference), None) is None:
            raise ManifestUnknownError(f"{repository} has no manifest {reference}")

    async def delete_blob(self, caller: Caller, repository: Repository, digest: Digest) -> None:
        if not await self.upstream.delete_blob(repository, digest):
            raise BlobUnknownError(f"{repository} has no blob {digest}")

    def bytes_uploaded(self, count: int) -> None:
        self.uploaded_bytes += count

    async def observe_upload(self) -> RecordingObserver | None:
        if self.is_busy:
            return None
        self.observers.append(RecordingObserver())
        return self.observers[-1]

    def blob_uploaded(self, caller: Caller, repository: Repository, digest: Digest) -> None:
        self.unobserved.append((repository, digest))

    def _check(self, digest: Digest) -> None:
        if digest in self.denied:
            raise DeniedError("refused by the simulated gate", detail={"verdict": "v1"})
