"""Finds the signatures beside an image: referrers the gate or the upstream knows, then the tag `sha256-<hex>.sig`.

An error while looking is an error, never "unsigned".

What is collected for one image is bounded, and whoever may push can put signatures of his own beside it. So those that
the gate has known longest come first, and what an image and its indexes are signed with takes turns: what comes later
crowds out nothing that counted before (threat 58). Nor does what came earlier crowd out a signer of the policy: the
first signature by each was vouched for when it was pushed, and these are read before all others.
"""

import asyncio
from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import chain, zip_longest

import structlog

from config.policy import Signer
from proxy.gate.content import on_record, parse_manifest, read_blob
from proxy.gate.knowledge import Knowledge
from proxy.upstream.port import ContentSource, StoredManifest
from scanning.errors import InvalidContentError
from scanning.oci.digest import Digest
from scanning.oci.manifest import Manifest, ManifestKind
from scanning.oci.names import Repository
from scanning.signatures.discover import MAX_SIGNATURE_BLOB, documents, signature_tag, wanted_blobs, weight
from scanning.signatures.model import SignatureDocument, SignatureEvidence
from scanning.signatures.verify import MAX_DOCUMENTS, verify

_MOST_BYTES = 16 << 20
"""All that is collected for one image: what does not fit any more is left out and counts for nothing (threat 58)."""

_MOST_VOUCHED = 8
_MOST_VOUCHED_BYTES = 1 << 20
"""How many signatures, of how many bytes together, one manifest that is vouched for may hold: it is read before others,
and so must not take their place."""

_log = structlog.get_logger(__name__)


class SignatureFinder:
    """Collects unverified signatures; verifying them is `scanning.signatures.verify`."""

    def __init__(self, knowledge: Knowledge, source: ContentSource) -> None:
        self._knowledge = knowledge
        self._source = source

    async def collect(self, repository: Repository, subjects: Iterable[Digest]) -> SignatureEvidence:
        """The signatures beside `subjects` (an image, and the indexes that list it), in a fixed order.

        Raises the `UpstreamError` and `StorageError` families.
        """
        found: list[SignatureDocument] = []
        left = _MOST_BYTES
        beside = [(subject, *await self._candidates(repository, subject)) for subject in subjects]
        vouched = [(subject, stored) for subject, first, _ in beside for stored in first]
        others = [[(subject, stored) for stored in rest] for subject, _, rest in beside]
        in_turn = (one for each_next in zip_longest(*others) for one in each_next if one is not None)
        for subject, stored in chain(vouched, in_turn):
            if len(found) >= MAX_DOCUMENTS:
                break
            read = await self._read(repository, subject, stored, left)
            found += read
            left -= sum(len(document.payload) for document in read)
        return SignatureEvidence(tuple(found))

    async def is_first_of_signer(
        self, repository: Repository, manifest: Manifest, signers: Mapping[str, Signer], now: datetime
    ) -> bool:
        """Whether a manifest that refers to another is a signature of it by one of `signers`, of whom none is vouched
        for yet. Raises the `UpstreamError` and `StorageError` families.
        """
        subject = manifest.subject.digest if manifest.subject else None
        if subject is None or manifest.kind is not ManifestKind.SIGNATURE or weight(manifest) > _MOST_VOUCHED_BYTES:
            return False
        if len(documents(manifest, subject, {})) > _MOST_VOUCHED:
            return False
        brought = documents(manifest, subject, await self._fetch(repository, manifest))
        makers = await _makers(brought, signers, now)
        if not makers:
            return False
        known = [record for record in await self._knowledge.referrers(repository, subject) if record.vouched]
        there: list[SignatureDocument] = []
        for record in known:
            if record.digest != manifest.digest:
                there += await self._read(repository, subject, on_record(record), _MOST_VOUCHED_BYTES)
        return not makers <= await _makers(there, signers, now)

    async def _candidates(
        self, repository: Repository, subject: Digest
    ) -> tuple[Iterable[StoredManifest], Iterable[StoredManifest]]:
        """What can be a signature: that which is vouched for, and the rest, that under cosign's tag first, then what
        refers to `subject`, as long as it is known.
        """
        tagged = await self._source.get_manifest(repository, signature_tag(subject))
        own = await self._knowledge.referrers(repository, subject)
        behind = await self._source.referrers(repository, subject)
        by_age = sorted(own, key=lambda record: (record.first_seen, record.digest))
        first = {record.digest: on_record(record) for record in by_age if record.vouched}
        found = [tagged] if tagged is not None else []
        found += map(on_record, by_age)
        found += sorted(behind, key=lambda stored: stored.digest)
        rest = {stored.digest: stored for stored in found if stored.digest not in first}
        return first.values(), rest.values()

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


async def _makers(found: Iterable[SignatureDocument], signers: Mapping[str, Signer], now: datetime) -> frozenset[str]:
    """The signers whose signatures are in `found`, by the fingerprints of their keys."""
    report = await asyncio.to_thread(verify, SignatureEvidence(tuple(found)), signers, now)
    return frozenset(one.key for one in report.verified)
