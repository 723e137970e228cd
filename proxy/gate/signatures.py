"""Finds the signatures beside an image: referrers the gate or the upstream knows, then the tag `sha256-<hex>.sig`.

An error while looking is an error, never "unsigned".
"""

from collections.abc import Iterable

import structlog

from proxy.gate.content import parse_manifest, read_blob
from proxy.upstream.port import ContentSource, StoredManifest
from scanning.errors import InvalidContentError
from scanning.oci.digest import Digest
from scanning.oci.manifest import Manifest, ManifestKind
from scanning.oci.names import Repository
from scanning.signatures.discover import MAX_SIGNATURE_BLOB, documents, signature_tag, wanted_blobs, weight
from scanning.signatures.model import SignatureDocument, SignatureEvidence
from scanning.signatures.verify import MAX_DOCUMENTS
from storage import manifests
from storage.database import Database

_MOST_CANDIDATES = 64
"""An image with more signature manifests than this is looked at no further (threat 58)."""
_MOST_BYTES = 16 << 20
"""All that is collected for one image: what does not fit any more is left out and counts for nothing (threat 58)."""

_log = structlog.get_logger(__name__)


class SignatureFinder:
    """Collects unverified signatures; verifying them is `scanning.signatures.verify`."""

    def __init__(self, database: Database, source: ContentSource) -> None:
        self._database = database
        self._source = source

    async def collect(self, repository: Repository, subjects: Iterable[Digest]) -> SignatureEvidence:
        """The signatures beside `subjects` (an image, and the indexes that list it), in a fixed order.

        Raises the `UpstreamError` and `StorageError` families.
        """
        found: list[SignatureDocument] = []
        left = _MOST_BYTES
        for subject in subjects:
            if len(found) >= MAX_DOCUMENTS:
                break
            candidates = await self._candidates(repository, subject)
            for digest in sorted(candidates)[:_MOST_CANDIDATES]:
                read = await self._read(repository, subject, candidates[digest], left)
                found += read
                left -= sum(len(document.payload) for document in read)
        return SignatureEvidence(tuple(found))

    async def _candidates(self, repository: Repository, subject: Digest) -> dict[Digest, StoredManifest]:
        async with self._database.snapshot() as tx:
            own = await manifests.referrers(tx, repository, subject)
        found = [StoredManifest(record.digest, record.media_type, record.body) for record in own]
        found += await self._source.referrers(repository, subject)
        tagged = await self._source.get_manifest(repository, signature_tag(subject))
        if tagged is not None:
            found.append(tagged)
        return {stored.digest: stored for stored in found}

    async def _read(
        self, repository: Repository, subject: Digest, stored: StoredManifest, most: int
    ) -> tuple[SignatureDocument, ...]:
        try:
            manifest = await parse_manifest(stored.body, stored.media_type, stored.digest.algorithm)
            if manifest.kind is not ManifestKind.SIGNATURE:
                return ()
            if weight(manifest) > most:
                _log.warning("signatures left out: too large", manifest=str(stored.digest), subject=str(subject))
                return ()
            blobs = await self._fetch(repository, manifest)
            return documents(manifest, subject, blobs)
        except InvalidContentError as error:
            # Something unreadable beside an image cannot count for it, and must not keep the rest from counting.
            _log.warning("not a signature", manifest=str(stored.digest), problem=str(error))
            return ()

    async def _fetch(self, repository: Repository, manifest: Manifest) -> dict[Digest, bytes]:
        fetched: dict[Digest, bytes] = {}
        for blob in wanted_blobs(manifest):
            content = await read_blob(self._source, repository, blob, MAX_SIGNATURE_BLOB)
            if content is not None:
                fetched[blob.digest] = content
        return fetched
