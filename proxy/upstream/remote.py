"""Any OCI registry as the upstream, over HTTP.

    remote       manifests, blobs, deletes             this module
    blob answers which bytes of a blob came            proxy.upstream.blob_answers
    uploads      POST, PATCH, PUT, mount               proxy.upstream.uploads
    listings     tags, catalog, referrers              proxy.upstream.listings
    referrers    the list under a tag                  proxy.upstream.referrers
    connection   sending, credentials, redirects       proxy.upstream.connection

Nothing the upstream says is believed where it can be computed: digests are hashed from the bytes, lengths are counted.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager

from proxy.upstream.answers import failure, read_body
from proxy.upstream.blob_answers import Span, content_length, exactly, span_of, taking
from proxy.upstream.connection import Connection, RemoteOptions, Request
from proxy.upstream.listings import PAGE, RemoteListings, listed_in
from proxy.upstream.port import (
    MAX_REFERRERS,
    BlobStream,
    BrokenContentError,
    StoredManifest,
    TakeBody,
    Upload,
    UpstreamRefusedError,
)
from proxy.upstream.referrers import ReferrersTags
from proxy.upstream.uploads import RemoteUploads, UploadNotes
from scanning.errors import InvalidContentError, InvalidDigestError
from scanning.oci.digest import Digest
from scanning.oci.media_types import ACCEPT_MANIFESTS, MANIFESTS, SCHEMA1
from scanning.oci.names import Reference, Repository, Tag
from scanning.oci.read import MAX_MANIFEST_BYTES, read_manifest
from scanning.oci.referrers import referrers_tag

_MAX_REFERRER_BYTES = 32 * 1024 * 1024


class RemoteUpstream:
    """The port over HTTP. Made inside a running event loop; `close` it there.

    With `interrupted`, which replicas share, an upload goes on at any of them after a chunk that broke off.
    """

    def __init__(self, options: RemoteOptions, page: int = PAGE, interrupted: UploadNotes | None = None) -> None:
        self._connection = Connection(options)
        self._uploads = RemoteUploads(self._connection, interrupted)
        self._listings = RemoteListings(self._connection, page)
        self._referrers_tags = ReferrersTags(self.get_manifest, self._put_manifest)

    def check_writable(self, repository: Repository) -> None:
        """Whether it can be written is the upstream's business."""

    async def get_manifest(self, repository: Repository, reference: Reference) -> StoredManifest | None:
        """Fetch a manifest, always with the full Accept (threat 38); schema 1 is for the gate to refuse."""
        doing = f"fetching the manifest {reference} of {repository}"
        request = Request(
            "GET",
            f"/v2/{repository}/manifests/{reference}",
            f"repository:{repository}:pull",
            doing,
            {"Accept": ", ".join(ACCEPT_MANIFESTS)},
        )
        async with self._connection.send(request) as response:
            if response.status == 404:
                return None
            if response.status != 200:
                raise await failure(response, doing)
            media_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
            body = await read_body(response, MAX_MANIFEST_BYTES, doing)
            named = response.headers.get("Docker-Content-Digest", "")
        return StoredManifest(_computed_digest(body, media_type, reference, named, doing), media_type, body)

    async def put_manifest(self, repository: Repository, reference: Reference, media_type: str, body: bytes) -> None:
        """Store a manifest; the upstream must count the digest that the bytes have.

        One with a subject that the upstream takes no note of is listed under the tag that clients look for then.
        """
        took_note = await self._put_manifest(repository, reference, media_type, body)
        if not took_note and b'"subject"' in body:
            algorithm = reference.algorithm if isinstance(reference, Digest) else "sha256"
            manifest = await asyncio.to_thread(read_manifest, body, media_type, algorithm)
            await self._referrers_tags.add(repository, manifest)

    async def _put_manifest(self, repository: Repository, reference: Reference, media_type: str, body: bytes) -> bool:
        """Store a manifest; gives whether the upstream took note of a subject (`OCI-Subject`)."""
        doing = f"storing the manifest {reference} in {repository}"
        if media_type not in MANIFESTS:
            raise UpstreamRefusedError(f"{media_type[:200]!r} is no manifest's media type when {doing}")
        request = Request(
            "PUT",
            f"/v2/{repository}/manifests/{reference}",
            f"repository:{repository}:pull,push",
            doing,
            {"Content-Type": media_type},
            body,
            repeatable=True,
        )
        async with self._connection.send(request) as response:
            if response.status != 201:
                raise await failure(response, doing)
            stored = _digest_of(response.headers.get("Docker-Content-Digest", ""))
            if stored is not None and not stored.matches(body):
                raise BrokenContentError(f"the upstream stored other bytes, {stored}, when {doing}")
            return "OCI-Subject" in response.headers

    async def delete_manifest(self, repository: Repository, digest: Digest) -> bool:
        """Delete a manifest and, as registries do, the tags that point at it; no list under a tag names it then."""
        stored = await self.get_manifest(repository, digest)
        subject = await asyncio.to_thread(_subject, stored) if stored is not None else None
        gone = await self._delete(repository, f"manifests/{digest}", f"deleting the manifest {digest}")
        if gone and subject is not None:
            await self._referrers_tags.remove(repository, subject, digest)
        return gone

    async def delete_tag(self, repository: Repository, tag: Tag) -> bool:
        """Delete a tag; docker-registry before version 3 refuses that, and calls the tag a digest that is invalid."""
        try:
            return await self._delete(repository, f"manifests/{tag}", f"deleting the tag {tag}")
        except UpstreamRefusedError as error:
            if error.status not in {400, 405}:
                raise
            raise UpstreamRefusedError(
                f"the upstream deletes no single tags, so {tag} of {repository} stays; delete the manifest by its"
                " digest, with all its tags",
                code="UNSUPPORTED",
                status=405,
            ) from error

    async def delete_blob(self, repository: Repository, digest: Digest) -> bool:
        """Delete a blob from a repository."""
        return await self._delete(repository, f"blobs/{digest}", f"deleting the blob {digest}")

    async def _delete(self, repository: Repository, what: str, doing: str) -> bool:
        doing = f"{doing} of {repository}"
        request = Request("DELETE", f"/v2/{repository}/{what}", f"repository:{repository}:delete", doing)
        async with self._connection.send(request) as response:
            if response.status == 404:
                return False
            if response.status == 405:
                raise UpstreamRefusedError(
                    f"the upstream does not allow it when {doing};"
                    " switch deleting on there (docker-registry: storage.delete.enabled)",
                    code="UNSUPPORTED",
                    status=405,
                )
            if response.status not in {200, 202, 204}:
                raise await failure(response, doing)
            return True

    async def blob_size(self, repository: Repository, digest: Digest) -> int | None:
        """Ask for a blob's length by HEAD."""
        request = _blob_request("HEAD", repository, digest, {})
        async with self._connection.fetch(request) as response:
            if response.status == 404:
                return None
            if response.status != 200:
                raise await failure(response, request.doing)
            size = content_length(response)
            if size is None:
                raise BrokenContentError(f"the upstream did not say how long it is when {request.doing}")
            return size

    def open_blob(
        self, repository: Repository, digest: Digest, start: int = 0, end: int | None = None
    ) -> AbstractAsyncContextManager[BlobStream | None]:
        """Open a blob, or part of it."""
        return self._open_blob(repository, digest, start, end)

    @asynccontextmanager
    async def _open_blob(
        self, repository: Repository, digest: Digest, start: int, end: int | None
    ) -> AsyncIterator[BlobStream | None]:
        ranged = start > 0 or end is not None
        headers = {"Range": f"bytes={start}-{'' if end is None else end - 1}"} if ranged else {}
        request = _blob_request("GET", repository, digest, headers)
        async with self._connection.fetch(request) as response:
            if response.status == 404:
                yield None
                return
            if response.status not in {200, 206}:
                raise await failure(response, request.doing)
            span = span_of(response, start, end, request.doing)
            if span is None:
                size = await self.blob_size(repository, digest)
                if size is None:
                    yield None
                    return
                span = Span(size, start, size if end is None else end, start)
            async with aclosing(exactly(response, span, request.doing)) as chunks:
                take = taking(response, span, self._connection.read_timeout, request.doing)
                yield BlobStream(span.size, span.start, span.end, chunks, take=take)

    async def blob_location(self, repository: Repository, digest: Digest) -> str | None:
        """Where the upstream redirects, if clients may be sent there; one byte is asked for, should it not redirect."""
        location = await self._connection.locate(_blob_request("GET", repository, digest, {"Range": "bytes=0-0"}))
        return None if location is None else str(location)

    async def mount_blob(self, repository: Repository, digest: Digest, source: Repository) -> bool:
        """See the port. docker-registry says that it mounted a blob by any digest, and links it by its sha256 alone."""
        if not await self._uploads.mount_blob(repository, digest, source):
            return False
        return digest.algorithm == "sha256" or await self.blob_size(repository, digest) is not None

    async def begin_upload(self, repository: Repository) -> Upload:
        """See the port."""
        return await self._uploads.begin_upload(repository)

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
        return await self._uploads.append(repository, upload, chunks, take)

    async def upload_status(self, repository: Repository, upload: Upload) -> Upload:
        """See the port."""
        return await self._uploads.upload_status(repository, upload)

    async def finish_upload(self, repository: Repository, upload: Upload, digest: Digest) -> None:
        """See the port."""
        await self._uploads.finish_upload(repository, upload, digest)

    async def cancel_upload(self, repository: Repository, upload: Upload) -> None:
        """See the port."""
        await self._uploads.cancel_upload(repository, upload)

    async def tags(self, repository: Repository) -> tuple[Tag, ...] | None:
        """See the port."""
        return await self._listings.tags(repository)

    async def repositories(self) -> tuple[Repository, ...]:
        """See the port."""
        return await self._listings.repositories()

    async def referrers(self, repository: Repository, subject: Digest) -> tuple[StoredManifest, ...]:
        """By the referrers API, else by the fallback tag; only what really names `subject` is given."""
        digests = await self._listings.referrers(repository, subject)
        if digests is None:
            index = await self.get_manifest(repository, referrers_tag(subject))
            digests = listed_in(index, subject) if index is not None else ()
        found: list[StoredManifest] = []
        for digest in digests:
            manifest = await self.get_manifest(repository, digest)
            if manifest is not None and await asyncio.to_thread(_subject, manifest) == subject:
                found.append(manifest)
            if sum(len(one.body) for one in found) > _MAX_REFERRER_BYTES:
                raise BrokenContentError(
                    f"what refers to {subject} in {repository} has more than {_MAX_REFERRER_BYTES} bytes,"
                    f" though at most {MAX_REFERRERS} small manifests are expected: delete some"
                )
        return tuple(found)

    async def check(self) -> None:
        """Ask for `/v2/`, with credentials where they are wanted."""
        doing = "checking that it is a registry"
        async with self._connection.send(Request("GET", "/v2/", "", doing)) as response:
            if response.status != 200:
                raise await failure(response, doing)

    async def close(self) -> None:
        """Close every connection."""
        await self._connection.close()


def _blob_request(method: str, repository: Repository, digest: Digest, headers: dict[str, str]) -> Request:
    return Request(
        method,
        f"/v2/{repository}/blobs/{digest}",
        f"repository:{repository}:pull",
        f"fetching the blob {digest} of {repository}",
        headers,
    )


def _digest_of(text: str) -> Digest | None:
    try:
        return Digest.parse(text)
    except InvalidDigestError:
        return None


def _computed_digest(body: bytes, media_type: str, reference: Reference, named: str, doing: str) -> Digest:
    """The digest of `body`: the one asked for, or for a tag the one the upstream names. Any other is refused."""
    expected = reference if isinstance(reference, Digest) else _digest_of(named)
    if expected is None or (media_type in SCHEMA1 and not isinstance(reference, Digest)):
        return Digest.of(body)
    if not expected.matches(body):
        raise BrokenContentError(
            f"the upstream sent bytes with the digest {Digest.of(body, expected.algorithm)}"
            f" instead of {expected} when {doing}"
        )
    return expected


def _subject(manifest: StoredManifest) -> Digest | None:
    """The subject of a manifest; None too for one that cannot be read."""
    try:
        named = read_manifest(manifest.body, manifest.media_type, manifest.digest.algorithm).subject
    except InvalidContentError:
        return None
    return named.digest if named is not None else None
