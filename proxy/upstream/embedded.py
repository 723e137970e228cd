"""A registry of our own as the upstream: bytes in the content store, everything else in the database.

    blob        content store, by digest;  registry_blobs says which repository holds it
    upload      a staging area of the content store;  `Upload.state` is `repository:staging`
    manifest    registry_manifests;  put only when all it refers to is in the same repository
    tag         registry_tags

A blob is published before it is linked, so an acknowledged upload survives anything; what a crash between the two
leaves in the content store is linked nowhere and can be read by nobody. What is there already is linked first, so that
`storage.collection` does not remove it meanwhile. Whoever is told that a blob is there can count on it for half of
`grace`, in which blobs are kept that no manifest refers to.
"""

import asyncio
import hashlib
import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from datetime import timedelta

from proxy.clock import Clock, utc_now
from proxy.upstream.port import (
    BlobStream,
    BrokenContentError,
    DigestMismatchError,
    QuotaExceededError,
    StoredManifest,
    TakeBody,
    Upload,
    UploadOffsetError,
    UploadUnknownError,
    UpstreamRefusedError,
    UpstreamUnavailableError,
)
from proxy.upstream.quotas import Allowance, Quotas
from proxy.upstream.slots import TENANT
from scanning.errors import InvalidManifestError
from scanning.oci.digest import Digest
from scanning.oci.manifest import Manifest
from scanning.oci.names import Reference, Repository, Tag
from scanning.oci.read import read_manifest
from storage import registry
from storage.content.port import ContentStore
from storage.database import Database, Transaction
from storage.errors import ContentMismatchError, ContentMissingError, ContentMovedError
from storage.registry import LinkedBlob

_STAGING = re.compile(r"[A-Za-z0-9-]{1,128}")
_NO_QUOTAS = Quotas(())
_MOST_UPLOADS = 10_000
"""Of one token, that are not finished: each is a file, though it may be empty."""


class EmbeddedUpstream:
    """The port on `database` and `content`, which belong to the caller and are not closed here."""

    def __init__(
        self,
        database: Database,
        content: ContentStore,
        *,
        quotas: Quotas = _NO_QUOTAS,
        grace: timedelta = timedelta(days=1),
        clock: Clock = utc_now,
    ) -> None:
        self._database = database
        self._content = content
        self._quotas = quotas
        self._grace = grace
        self._clock = clock

    def check_writable(self, repository: Repository) -> None:
        """Everything can be written."""

    async def get_manifest(self, repository: Repository, reference: Reference) -> StoredManifest | None:
        """Read a manifest; a tag and what it points at are read in one snapshot."""
        async with self._database.snapshot() as tx:
            digest = await _resolve(tx, repository, reference)
            found = await registry.get_manifest(tx, repository, digest) if digest is not None else None
        if digest is None or found is None:
            return None
        media_type, body = found
        if not digest.matches(body):
            raise BrokenContentError(
                f"the manifest {digest} of {repository} was altered in the database; delete it and push it again"
            )
        return StoredManifest(digest, media_type, body)

    async def put_manifest(self, repository: Repository, reference: Reference, media_type: str, body: bytes) -> None:
        """Store a manifest and the tag in one transaction.

        Raises `UpstreamRefusedError` with MANIFEST_BLOB_UNKNOWN if a blob or child it refers to is not there.
        """
        algorithm = reference.algorithm if isinstance(reference, Digest) else "sha256"
        try:
            # In a thread: one of four megabytes takes half a second.
            manifest = await asyncio.to_thread(read_manifest, body, media_type, algorithm)
        except InvalidManifestError as error:
            raise UpstreamRefusedError(str(error), code="MANIFEST_INVALID", status=400) from error
        if isinstance(reference, Digest) and manifest.digest != reference:
            raise DigestMismatchError(f"the manifest for {repository}@{reference} has the digest {manifest.digest}")
        async with self._database.transaction() as tx:
            await _check_references(tx, repository, manifest)
            await registry.put_manifest(
                tx,
                repository,
                manifest.digest,
                manifest.media_type,
                body,
                blobs=[blob.digest for blob in manifest.blobs],
                subject=manifest.subject.digest if manifest.subject else None,
            )
            if isinstance(reference, Tag):
                await registry.put_tag(tx, repository, reference, manifest.digest)

    async def delete_manifest(self, repository: Repository, digest: Digest) -> bool:
        """Delete a manifest; its tags go with it."""
        async with self._database.transaction() as tx:
            return await registry.delete_manifest(tx, repository, digest, self._clock())

    async def delete_tag(self, repository: Repository, tag: Tag) -> bool:
        """Delete a tag."""
        async with self._database.transaction() as tx:
            return await registry.delete_tag(tx, repository, tag)

    async def blob_size(self, repository: Repository, digest: Digest) -> int | None:
        """A linked blob's size. Who asks may go on to push a manifest that refers to it, so the blob is used now."""
        now = self._clock()
        async with self._database.snapshot() as tx:
            blob = await registry.find_blob(tx, repository, digest)
        if blob is None or now - blob.used_at < self._grace / 2:
            return blob.size if blob is not None else None
        async with self._database.transaction() as tx:
            return blob.size if await registry.use_blob(tx, repository, digest, now) else None

    def open_blob(
        self, repository: Repository, digest: Digest, start: int = 0, end: int | None = None
    ) -> AbstractAsyncContextManager[BlobStream | None]:
        """Open a linked blob; `file` is set where the content store keeps files."""
        return self._open_blob(repository, digest, start, end)

    @asynccontextmanager
    async def _open_blob(
        self, repository: Repository, digest: Digest, start: int, end: int | None
    ) -> AsyncIterator[BlobStream | None]:
        blob = await self._find(repository, digest)
        if blob is None:
            yield None
            return
        end = blob.size if end is None else end
        async with aclosing(self._read(digest, start, end)) as chunks:
            yield BlobStream(blob.size, start, end, chunks, self._content.path(digest))

    async def _find(self, repository: Repository, digest: Digest) -> LinkedBlob | None:
        async with self._database.snapshot() as tx:
            return await registry.find_blob(tx, repository, digest)

    async def _read(self, digest: Digest, start: int, end: int) -> AsyncGenerator[bytes, None]:
        left = end - start
        async for chunk in self._content.read(digest, start, end):
            left -= len(chunk)
            yield chunk
        if left:
            raise BrokenContentError(f"the blob {digest} lacks {left} bytes in the content store; push it again")

    async def blob_location(self, repository: Repository, digest: Digest) -> str | None:
        """Where the content store lets clients read a linked blob."""
        address = await self._content.address(digest)
        return address if address is not None and await self._find(repository, digest) is not None else None

    async def delete_blob(self, repository: Repository, digest: Digest) -> bool:
        """Unlink a blob; its bytes go when no repository links them any more."""
        async with self._database.transaction() as tx:
            if not await registry.unlink_blob(tx, repository, digest):
                return False
            if not await registry.blob_is_linked(tx, digest):
                # Still inside the transaction: nobody can link the blob between the question and the deed.
                await self._content.delete(digest)
        return True

    async def mount_blob(self, repository: Repository, digest: Digest, source: Repository) -> bool:
        """Link a blob that `source` links."""
        async with self._database.transaction() as tx:
            blob = await registry.find_blob(tx, source, digest)
            if blob is None:
                return False
            await self._link(tx, repository, digest, blob.size)
            if await registry.find_blob(tx, source, digest) is None:
                # Deleted by another replica while the link waited for it, and perhaps the bytes with it.
                await registry.unlink_blob(tx, repository, digest)
                return False
        return True

    async def begin_upload(self, repository: Repository) -> Upload:
        """Open a staging area, bound to `repository`."""
        allowance = await self._allowance(repository)
        if allowance is not None and not allowance.left:
            raise allowance.refusal("an upload is wanted")
        owner = allowance.owner if allowance is not None else ""
        by = hashlib.sha256(TENANT.get().encode()).hexdigest()[:16] if TENANT.get() else ""
        if by and (count := await self._content.begun_by(by)) >= _MOST_UPLOADS:
            raise QuotaExceededError(
                f"{count} uploads that were begun with this token are not finished, and no more than {_MOST_UPLOADS}"
                " may be; finish or cancel some (what nobody goes on with is removed by itself)"
            )
        return Upload(f"{repository}:{await self._content.begin(owner, by)}", 0)

    async def append(
        self,
        repository: Repository,
        upload: Upload,
        chunks: AsyncIterator[bytes],
        *,
        length: int | None = None,
        take: TakeBody | None = None,
    ) -> Upload:
        """Add chunks as they come, to be hashed on their way.

        Raises `UploadOffsetError` too when somebody else writes to the same upload.
        """
        staging = _staging(repository, upload)
        offset = (await self.upload_status(repository, upload)).offset
        if offset != upload.offset:
            raise _wrong_offset(repository, upload.offset, offset)
        allowance = await self._allowance(repository)
        unlooked = allowance.step if allowance is not None else 0
        try:
            if allowance is not None:
                allowance.check(offset + (length or 0))
                allowance.check_unfinished(await self._content.staged_by(allowance.owner) + (length or 0))
            async for chunk in chunks:
                if allowance is not None:
                    allowance.check(offset + len(chunk))
                    unlooked += len(chunk)
                    if unlooked >= allowance.step:
                        unlooked = 0
                        allowance.check_unfinished(await self._content.staged_by(allowance.owner) + len(chunk))
                offset = await self._content.append(staging, chunk, at=offset)
        except ContentMissingError as error:
            raise _unknown(repository) from error
        except ContentMovedError as error:
            raise _wrong_offset(repository, offset, error.length) from error
        except QuotaExceededError:
            await self._content.abandon(staging)
            raise
        return Upload(upload.state, offset)

    async def upload_status(self, repository: Repository, upload: Upload) -> Upload:
        """The length of the staging area."""
        try:
            return Upload(upload.state, await self._content.staged(_staging(repository, upload)))
        except ContentMissingError as error:
            raise _unknown(repository) from error

    async def finish_upload(self, repository: Repository, upload: Upload, digest: Digest) -> None:
        """Publish the bytes under `digest`, and link them."""
        staging = _staging(repository, upload)
        try:
            size = await self._content.verify(staging, digest)
            is_linked = await self._link_what_is_there(repository, digest, size)
            await self._content.commit(staging, digest)
        except ContentMissingError as error:
            raise _unknown(repository) from error
        except ContentMismatchError as error:
            raise DigestMismatchError(
                f"the bytes uploaded to {repository} do not have the digest {digest}; upload them again"
            ) from error
        except QuotaExceededError:
            await self._content.abandon(staging)
            raise
        if is_linked:
            return
        async with self._database.transaction() as tx:
            await self._link(tx, repository, digest, size)
            if await self._content.find(digest) is None:
                raise UpstreamUnavailableError(
                    f"the blob {digest} was deleted elsewhere while it was uploaded to {repository}; upload it again"
                )

    async def _link_what_is_there(self, repository: Repository, digest: Digest, size: int) -> bool:
        """Link a blob whose bytes are in the content store already, perhaps about to be collected: from here on they
        are not. What is not there yet will be new when it is published, and too young to be collected.
        """
        if await self._content.find(digest) is None:
            allowance = await self._allowance(repository)
            if allowance is not None:
                allowance.check(size)
            return False
        async with self._database.transaction() as tx:
            await self._link(tx, repository, digest, size)
            if await self._content.find(digest) is None:
                await registry.unlink_blob(tx, repository, digest)
                return False
        return True

    async def _link(self, tx: Transaction, repository: Repository, digest: Digest, size: int) -> None:
        await registry.lock_blob(tx, digest)
        if await registry.find_blob(tx, repository, digest) is None:
            await self._quotas.check_link(tx, repository, size)
        await registry.link_blob(tx, repository, digest, size, self._clock())

    async def _allowance(self, repository: Repository) -> Allowance | None:
        if self._quotas.quota_of(repository) is None:
            return None
        async with self._database.snapshot() as tx:
            return await self._quotas.allowance(tx, repository)

    async def cancel_upload(self, repository: Repository, upload: Upload) -> None:
        """Remove the staging area."""
        await self._content.abandon(_staging(repository, upload))

    async def tags(self, repository: Repository) -> tuple[Tag, ...] | None:
        """All tags in lexical order; None if nothing was ever pushed."""
        async with self._database.snapshot() as tx:
            tags = await registry.tags(tx, repository)
            if not tags and repository not in await registry.repositories(tx):
                return None
        return tuple(sorted(tags))

    async def repositories(self) -> tuple[Repository, ...]:
        """All repositories in lexical order."""
        async with self._database.snapshot() as tx:
            return tuple(sorted(await registry.repositories(tx)))

    async def referrers(self, repository: Repository, subject: Digest) -> tuple[StoredManifest, ...]:
        """The manifests whose subject is `subject`."""
        async with self._database.snapshot() as tx:
            found = await registry.referrers(tx, repository, subject)
        return tuple(StoredManifest(digest, media_type, body) for digest, media_type, body in found)

    async def check(self) -> None:
        """Return if database and content store answer."""
        await self._database.check()
        await self._content.check()

    async def close(self) -> None:
        """Nothing to let go of."""


async def _resolve(tx: Transaction, repository: Repository, reference: Reference) -> Digest | None:
    return reference if isinstance(reference, Digest) else await registry.tag_digest(tx, repository, reference)


async def _check_references(tx: Transaction, repository: Repository, manifest: Manifest) -> None:
    """A subject need not be there (distribution specification, "Pushing Manifests with Subject")."""
    needed = [blob.digest for blob in manifest.blobs if not blob.may_lie_elsewhere]
    for digest in await registry.missing_blobs(tx, repository, needed):
        raise _missing(repository, manifest, "blob", digest)
    for child in manifest.children:
        if await registry.get_manifest(tx, repository, child.digest) is None:
            raise _missing(repository, manifest, "manifest", child.digest)


def _missing(repository: Repository, manifest: Manifest, kind: str, digest: Digest) -> UpstreamRefusedError:
    return UpstreamRefusedError(
        f"the manifest {manifest.digest} refers to the {kind} {digest}, which {repository} does not have;"
        " push that first",
        code="MANIFEST_BLOB_UNKNOWN",
        status=404,
    )


def _staging(repository: Repository, upload: Upload) -> str:
    """The staging area of an upload; one of another repository is unknown here (threat 18)."""
    name, _, staging = upload.state.partition(":")
    if name != str(repository) or _STAGING.fullmatch(staging) is None:
        raise _unknown(repository)
    return staging


def _unknown(repository: Repository) -> UploadUnknownError:
    return UploadUnknownError(f"there is no such upload to {repository}; begin a new one")


def _wrong_offset(repository: Repository, said: int, stands: int) -> UploadOffsetError:
    return UploadOffsetError(
        f"the chunk starts at byte {said}, but the upload to {repository} stands at byte {stands}; go on from there",
        offset=stands,
    )
