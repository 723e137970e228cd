"""Finds the signatures beside an image: referrers the gate or the upstream knows, then the tag `sha256-<hex>.sig`.

An error while looking is an error, never "unsigned".

What is collected for one image is bounded, and whoever may push can put signatures of his own beside it. So those that
the gate has known longest come first, and what an image and its indexes are signed with takes turns: what comes later
crowds out nothing that counted before (threat 58).
"""

from collections.abc import Iterable
from itertools import zip_longest

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
        beside = [[(subject, stored) for stored in await self._candidates(repository, subject)] for subject in subjects]
        in_turn = (one for each_next in zip_longest(*beside) for one in each_next if one is not None)
        for subject, stored in in_turn:
            if len(found) >= MAX_DOCUMENTS:
                break
            read = await self._read(repository, subject, stored, left)
            found += read
            left -= sum(len(document.payload) for document in read)
        return SignatureEvidence(tuple(found))

    async def _candidates(self, repository: Repository, subject: Digest) -> Iterable[StoredManifest]:
        """What can be a signature: that under cosign's tag, then what refers to `subject`, as long as it is known."""
        tagged = await self._source.get_manifest(repository, signature_tag(subject))
        async with self._database.snapshot() as tx:
            own = await manifests.referrers(tx, repository, subject)
        behind = await self._source.referrers(repository, subject)
        found = [tagged] if tagged is not None else []
        found += [
            StoredManifest(record.digest, record.media_type, record.body)
            for record in sorted(own, key=lambda record: (record.first_seen, record.digest))
        ]
        found += sorted(behind, key=lambda stored: stored.digest)
        return {stored.digest: stored for stored in found}.values()

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
