"""Manifests parsed, and blobs read: never more than asked for, never without checking their digest."""

import asyncio
import hashlib
from collections.abc import AsyncIterable, AsyncIterator

from proxy.upstream.port import BrokenContentError, ContentSource, StoredManifest
from scanning.errors import InvalidManifestError
from scanning.oci.digest import Digest
from scanning.oci.manifest import Descriptor, Manifest
from scanning.oci.names import Repository
from scanning.oci.read import read_manifest
from storage.manifest_record import ManifestRecord

_SMALL = 64 * 1024


def on_record(record: ManifestRecord) -> StoredManifest:
    """A manifest as it is on record."""
    return StoredManifest(record.digest, record.media_type, record.body)


async def parse_manifest(body: bytes, media_type: str, algorithm: str = "sha256") -> Manifest:
    """`read_manifest`, off the event loop where a manifest is large enough to hold it up."""
    if len(body) <= _SMALL:
        return read_manifest(body, media_type, algorithm)
    return await asyncio.to_thread(read_manifest, body, media_type, algorithm)


async def read_blob(source: ContentSource, repository: Repository, blob: Descriptor, limit: int) -> bytes | None:
    """A blob of at most `limit` bytes, None if the repository does not have it.

    Raises `InvalidManifestError` if it is larger or has another size than its descriptor says (threat 45), and
    `BrokenContentError` if the upstream sends something else than the digest names.
    """
    if blob.size > limit:
        raise InvalidManifestError(f"blob {blob.digest} says it has {blob.size} bytes; at most {limit} are read here")
    async with source.open_blob(repository, blob.digest) as stream:
        if stream is None:
            return None
        if stream.size != blob.size:
            raise InvalidManifestError(
                f"blob {blob.digest} has {stream.size} bytes, its descriptor says {blob.size}; push a manifest with"
                " the true size"
            )
        parts = [part async for part in stream.chunks]
    content = b"".join(parts)
    if not blob.digest.matches(content):
        raise broken(repository, blob.digest)
    return content


async def proven(chunks: AsyncIterable[bytes], repository: Repository, digest: Digest) -> AsyncIterator[bytes]:
    """The same chunks. Raises `BrokenContentError` at the end if they are not what `digest` names."""
    seen = hashlib.new(digest.algorithm)
    async for chunk in chunks:
        await asyncio.to_thread(seen.update, chunk)
        yield chunk
    if seen.hexdigest() != digest.hex:
        raise broken(repository, digest)


def broken(repository: Repository, digest: Digest) -> BrokenContentError:
    """What to raise for bytes that `digest` does not name."""
    return BrokenContentError(f"the upstream sent bytes for {digest} of {repository} that have another digest")
