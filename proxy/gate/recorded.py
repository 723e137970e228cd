"""What is known of images, on record in the gate's database."""

from collections.abc import Iterable, Mapping, Sequence

from proxy.clock import Clock
from proxy.gate.knowledge import LayerOutcome
from scanning.facts import LayerRefusal
from scanning.malware import BlobScan
from scanning.oci.digest import Digest
from scanning.oci.names import Repository
from storage import documents, layers, malware_scans, manifests, sightings
from storage.database import Database
from storage.manifest_record import ManifestRecord
from storage.sighting_record import Seen


class RecordedKnowledge:
    """The port `Knowledge` over a database; what is kept is kept as of the `clock`'s time."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def manifest(self, repository: Repository, digest: Digest) -> ManifestRecord | None:
        """See `Knowledge`."""
        async with self._database.snapshot() as tx:
            return await manifests.find(tx, repository, digest)

    async def facts(self, repository: Repository, digest: Digest) -> bytes | None:
        """See `Knowledge`."""
        async with self._database.snapshot() as tx:
            record = await manifests.find(tx, repository, digest)
            return await documents.get(tx, record.facts) if record and record.facts else None

    async def ancestors(self, repository: Repository, child: Digest) -> Sequence[Digest]:
        """See `Knowledge`. At most `manifests.MAX_ANCESTORS`."""
        async with self._database.snapshot() as tx:
            return await manifests.ancestors(tx, repository, child)

    async def referrers(self, repository: Repository, subject: Digest) -> Sequence[ManifestRecord]:
        """See `Knowledge`."""
        async with self._database.snapshot() as tx:
            return await manifests.referrers(tx, repository, subject)

    async def layers(self, digests: Iterable[Digest]) -> Mapping[Digest, LayerOutcome]:
        """See `Knowledge`."""
        async with self._database.snapshot() as tx:
            return await layers.find(tx, digests)

    async def keep_layer(self, outcome: LayerOutcome) -> None:
        """See `Knowledge`."""
        async with self._database.transaction() as tx:
            if isinstance(outcome, LayerRefusal):
                await layers.record_refusal(tx, outcome, self._clock())
            else:
                await layers.record_facts(tx, outcome, self._clock())

    async def scans(self, blobs: Iterable[Digest]) -> Mapping[Digest, BlobScan]:
        """See `Knowledge`."""
        async with self._database.snapshot() as tx:
            return await malware_scans.find(tx, blobs)

    async def keep_scan(self, scan: BlobScan, *, is_archive: bool) -> None:
        """See `Knowledge`."""
        async with self._database.transaction() as tx:
            await malware_scans.record(tx, scan, is_archive=is_archive)

    async def seen(self, purls: Iterable[str]) -> Mapping[str, Seen]:
        """See `Knowledge`."""
        async with self._database.snapshot() as tx:
            return await sightings.find(tx, purls)
