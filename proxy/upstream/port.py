"""The port of the registry behind the gate. Whatever an upstream says is data: the gate hashes it itself."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, Self

from config.errors import ImagegateError
from scanning.oci.digest import Digest
from scanning.oci.names import Reference, Repository, Tag

MAX_REFERRERS = 256
"""The most referrers of one subject that an upstream is asked for (threat 58)."""


class UpstreamError(ImagegateError):
    """The upstream did not do what it was asked; the base of this boundary's family."""


class UpstreamUnavailableError(UpstreamError):
    """It does not answer, or answers that it cannot (5xx, refused connection).

    `retry_after` is after how many seconds asking again may help, 0 if nobody knows.
    """

    def __init__(self, message: str, *, retry_after: int = 0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class UpstreamTimeoutError(UpstreamUnavailableError):
    """It did not answer in time."""


class UpstreamRateLimitedError(UpstreamUnavailableError):
    """It was asked more often than it allows (429)."""


class UpstreamSuspendedError(UpstreamUnavailableError):
    """It is not asked now: it failed too often, or as many requests run as may."""


class UpstreamRefusedError(UpstreamError):
    """It refused the gate: credentials, rights, or content it will not take. `code` is its OCI error code, or ""."""

    def __init__(self, message: str, *, code: str = "", status: int = 0) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


class UpstreamReadOnlyError(UpstreamRefusedError):
    """The gate is told to write nothing there, and did not ask it."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code="DENIED", status=403)


class QuotaExceededError(UpstreamError):
    """It has no room for what was sent: the repository's quota is used up."""


class BrokenContentError(UpstreamError):
    """It sent bytes that are cut short or do not have the digest they were asked by."""


class UploadUnknownError(UpstreamError):
    """The upload is not known (any more)."""


class UploadOffsetError(UpstreamError):
    """A chunk does not start where the upload stands. `offset` is where it stands."""

    def __init__(self, message: str, *, offset: int) -> None:
        super().__init__(message)
        self.offset = offset


class DigestMismatchError(UpstreamError):
    """The uploaded bytes do not have the digest the client said."""


@dataclass(frozen=True, slots=True)
class StoredManifest:
    """A manifest as the upstream gave it; `digest` was computed here from `body`."""

    digest: Digest
    media_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class SocketBody:
    """The rest of a body, still in the plain socket that it arrives on: `left` bytes after `ahead`, which was read.

    Whoever takes it reads the socket alone, as long as it `is_ours`, calls `moved` with the count of bytes whenever it
    took some out of it, and gives it up after `patience` seconds of silence. `cut_short` makes the error for one that
    ends so many bytes early, `silent` that for one that is given up.
    """

    fileno: int
    ahead: bytes
    left: int
    patience: float
    cut_short: Callable[[int], Exception]
    silent: Callable[[], Exception]
    moved: Callable[[int], None] = lambda _count: None
    is_ours: Callable[[], bool] = lambda: True

    def noted(self, moved: Callable[[int], None], broke: Callable[[Exception], None] = lambda _error: None) -> Self:
        """The same body; `moved` hears of what was taken out of it, too, and `broke` why there is no more of it."""

        def also_moved(count: int) -> None:
            self.moved(count)
            moved(count)

        def also_broke(error: Exception) -> Exception:
            broke(error)
            return error

        return replace(
            self,
            moved=also_moved,
            cut_short=lambda left: also_broke(self.cut_short(left)),
            silent=lambda: also_broke(self.silent()),
        )


TakeBody = Callable[[], SocketBody | None]
"""Takes a body that has not been read, instead of reading its chunks; None if that cannot be done any more."""


@dataclass(frozen=True, slots=True)
class BlobStream:
    """An open blob. `size` is the whole blob's; `chunks` gives bytes `start` up to, not including, `end`.

    `chunks` raises `BrokenContentError` when it ends early. `file` is set where the blob is a file on this machine.
    Instead of reading `chunks`, the socket they come from may be taken with `take`, where that is set.
    """

    size: int
    start: int
    end: int
    chunks: AsyncIterator[bytes]
    file: Path | None = None
    take: TakeBody | None = None


@dataclass(frozen=True, slots=True)
class Upload:
    """Where an upload stands. `state` is the adapter's own text; it holds all that another replica needs."""

    state: str
    offset: int


class ContentSource(Protocol):
    """Where manifests and blobs can be read: all that judging an image needs."""

    async def get_manifest(self, repository: Repository, reference: Reference) -> StoredManifest | None:
        """Fetch a manifest once; None if there is none. By digest, the body is verified."""
        ...

    async def blob_size(self, repository: Repository, digest: Digest) -> int | None:
        """A blob's size in bytes if this repository has it, else None."""
        ...

    def open_blob(
        self, repository: Repository, digest: Digest, start: int = 0, end: int | None = None
    ) -> AbstractAsyncContextManager[BlobStream | None]:
        """Open a blob, or part of it; None if this repository does not have it. The caller checks the bounds."""
        ...

    async def referrers(self, repository: Repository, subject: Digest) -> tuple[StoredManifest, ...]:
        """The manifests whose subject is `subject`, as far as the upstream itself knows them."""
        ...


class Upstream(ContentSource, Protocol):
    """What the gate needs of a registry. Every method may raise the `UpstreamError` family (or `StorageError`)."""

    def check_writable(self, repository: Repository) -> None:
        """Return if the gate may push to the repository and delete from it. Raises `UpstreamReadOnlyError`."""
        ...

    async def put_manifest(self, repository: Repository, reference: Reference, media_type: str, body: bytes) -> None:
        """Store a manifest; durable when it returns."""
        ...

    async def delete_manifest(self, repository: Repository, digest: Digest) -> bool:
        """Remove a manifest and the tags that point at it; False if there is none."""
        ...

    async def delete_tag(self, repository: Repository, tag: Tag) -> bool:
        """Remove a tag only; False if there is none. Raises `UpstreamRefusedError` where it cannot."""
        ...

    async def blob_location(self, repository: Repository, digest: Digest) -> str | None:
        """A URL where a client may fetch the blob by itself, if the operator allows that; None to send it the bytes.

        It needs no credentials and is good for a short time: who is given it must be allowed to read the blob. None
        says nothing about whether the blob is there.
        """
        ...

    async def delete_blob(self, repository: Repository, digest: Digest) -> bool:
        """Remove a blob from a repository; False if it is not there."""
        ...

    async def mount_blob(self, repository: Repository, digest: Digest, source: Repository) -> bool:
        """Make a blob of `source` appear in `repository`; False where that is not possible, and nothing is left."""
        ...

    async def begin_upload(self, repository: Repository) -> Upload:
        """Open an upload."""
        ...

    async def append(
        self,
        repository: Repository,
        upload: Upload,
        chunks: AsyncIterator[bytes],
        *,
        length: int | None = None,
        take: TakeBody | None = None,
    ) -> Upload:
        """Add bytes at `upload.offset`. What arrived before an error stays; ask `upload_status` where it stands.

        `length` is how many `chunks` will give, None where nobody knows: what cannot be taken whole may be refused
        before it is read. Instead of reading `chunks`, the socket they come from may be taken with `take`, where that
        is given. Raises `QuotaExceededError`, and then the upload is over.
        """
        ...

    async def upload_status(self, repository: Repository, upload: Upload) -> Upload:
        """Where the upload stands."""
        ...

    async def finish_upload(self, repository: Repository, upload: Upload, digest: Digest) -> None:
        """Publish the upload as a blob; durable when it returns. Raises `DigestMismatchError`."""
        ...

    async def cancel_upload(self, repository: Repository, upload: Upload) -> None:
        """Forget the upload."""
        ...

    async def tags(self, repository: Repository) -> tuple[Tag, ...] | None:
        """All tags in lexical order; None if the repository is unknown."""
        ...

    async def repositories(self) -> tuple[Repository, ...]:
        """All repositories in lexical order."""
        ...

    async def check(self) -> None:
        """Return if the upstream answers."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...
