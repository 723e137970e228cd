"""What the handlers need of the gate (`proxy.gate`)."""

from collections.abc import Callable
from typing import Protocol

from proxy.identity.principal import Caller
from proxy.upstream.port import StoredManifest
from scanning.oci.digest import Digest
from scanning.oci.manifest import Descriptor
from scanning.oci.names import Reference, Repository, Tag


class PushedManifest(Protocol):
    """What became of a pushed manifest. `warnings` are sentences for the pusher."""

    @property
    def digest(self) -> Digest: ...

    @property
    def subject(self) -> Digest | None: ...

    @property
    def warnings(self) -> tuple[str, ...]: ...


class Observer(Protocol):
    """Looks at a blob while it is uploaded. No method raises for what is in the blob."""

    async def feed(self, chunk: bytes) -> None:
        """Take the next bytes; waits while the inspection is behind."""
        ...

    async def finish(self, digest: Digest) -> None:
        """The upload became the blob `digest`."""
        ...

    async def abandon(self) -> None:
        """The upload came to nothing, or bytes were missed."""
        ...


class RepeatedLine(Protocol):
    """A line of the audit that is written again and again."""

    def line(self, at: str, request_id: str, times: int) -> bytes:
        """It, for something that happened now, `times` times."""
        ...


class Recalled(Protocol):
    """An answer that is known without asking anybody."""

    @property
    def record(self) -> RepeatedLine | None:
        """What each time is recorded as; None where nothing is."""
        ...

    @property
    def holds(self) -> Callable[[], bool]:
        """Whether it would still be given."""
        ...


class Gatekeeper(Protocol):
    """Every method may raise `DeniedError` and the errors of `proxy.errors`, the upstream and storage."""

    async def push_manifest(
        self, caller: Caller, repository: Repository, reference: Reference, content_type: str, body: bytes
    ) -> PushedManifest:
        """Judge a manifest, and publish or hold it."""
        ...

    async def pull_manifest(
        self, caller: Caller, repository: Repository, reference: Reference, *, head: bool
    ) -> StoredManifest:
        """The manifest, if this caller may have it."""
        ...

    def recall_manifest(
        self, caller: Caller, repository: Repository, stored: StoredManifest, *, head: bool
    ) -> Recalled | None:
        """How `pull_manifest` would give `stored` by its digest without asking anybody; None where it would ask."""
        ...

    def note_repeated(self, lines: bytes) -> None:
        """Record answers that were recalled. Raises `StorageUnavailableError`, and then none of them is."""
        ...

    async def check_blob(self, caller: Caller, repository: Repository, digest: Digest) -> None:
        """Return if this caller may read the blob from this repository."""
        ...

    def redirects_blobs(self, repository: Repository) -> bool:
        """Whether the policy lets clients fetch this repository's blobs elsewhere."""
        ...

    async def admits_blob(self, repository: Repository, digest: Digest) -> bool:
        """Whether everybody who may pull from the repository may read the blob."""
        ...

    async def referrers(self, caller: Caller, repository: Repository, subject: Digest) -> tuple[Descriptor, ...]:
        """What refers to `subject`."""
        ...

    async def tags(self, caller: Caller, repository: Repository, *, is_continued: bool = False) -> tuple[Tag, ...]:
        """The tags this caller may see, in lexical order; as they were a moment ago where a list `is_continued`."""
        ...

    async def repositories(self, caller: Caller, *, is_continued: bool = False) -> tuple[Repository, ...]:
        """The repositories this caller may pull from, in lexical order, as `tags` gives tags."""
        ...

    async def delete_manifest(self, caller: Caller, repository: Repository, reference: Reference) -> None:
        """Remove a manifest or a tag."""
        ...

    async def delete_blob(self, caller: Caller, repository: Repository, digest: Digest) -> None:
        """Remove a blob from a repository."""
        ...

    def bytes_uploaded(self, count: int) -> None:
        """So many bytes of an upload arrived just now."""
        ...

    async def observe_upload(self) -> Observer | None:
        """Somebody to look at an upload from its first byte; None while all are busy."""
        ...

    def blob_uploaded(self, caller: Caller, repository: Repository, digest: Digest) -> None:
        """An upload that nobody observed to its end became the blob `digest`."""
        ...
