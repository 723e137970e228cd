"""What is known of images while one question is answered, and forgotten with its answer."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence

from proxy.gate.knowledge import LayerOutcome
from scanning.facts import LayerFacts
from scanning.malware import BlobScan
from scanning.oci.digest import Digest
from scanning.oci.names import Repository
from storage.manifest_record import ManifestRecord
from storage.sighting_record import Seen

_MOST_ENTRIES = 200_000
"""In the layers that are remembered: some 200 MiB. An index lists images for many platforms, which have layers of their
own; what was not needed for longest is forgotten, and read again if another image has it."""


class PassingKnowledge:
    """The port `Knowledge` in memory: no manifest is on record, and of layers and blobs, what was found meanwhile."""

    def __init__(self, most_entries: int = _MOST_ENTRIES) -> None:
        self._most_entries = most_entries
        self._entries = 0
        self._layers: OrderedDict[Digest, LayerOutcome] = OrderedDict()  # what was needed last comes last
        self._scans: dict[Digest, BlobScan] = {}

    async def manifest(self, repository: Repository, digest: Digest) -> ManifestRecord | None:
        """None: nothing was judged before."""
        return None

    async def facts(self, repository: Repository, digest: Digest) -> bytes | None:
        """None: nothing was judged before."""
        return None

    async def ancestors(self, repository: Repository, child: Digest) -> Sequence[Digest]:
        """None, but for the indexes that are being judged, which the judge knows."""
        return ()

    async def referrers(self, repository: Repository, subject: Digest) -> Sequence[ManifestRecord]:
        """None, but for those that lie where the image does."""
        return ()

    async def layers(self, digests: Iterable[Digest]) -> Mapping[Digest, LayerOutcome]:
        """What was found in those of these layers that were read."""
        found = {digest: self._layers[digest] for digest in digests if digest in self._layers}
        for digest in found:
            self._layers.move_to_end(digest)
        return found

    async def keep_layer(self, outcome: LayerOutcome) -> None:
        """Remember what an inspection gave, and forget others that nobody needed for long."""
        before = self._layers.get(outcome.digest)
        if isinstance(outcome, LayerFacts) or before is None:
            self._layers[outcome.digest] = outcome
            self._layers.move_to_end(outcome.digest)
            self._entries += _entries(outcome) - _entries(before)
        while self._entries > self._most_entries and len(self._layers) > 1:
            self._entries -= _entries(self._layers.popitem(last=False)[1])

    async def scans(self, blobs: Iterable[Digest]) -> Mapping[Digest, BlobScan]:
        """What a scanner said meanwhile."""
        return {digest: self._scans[digest] for digest in blobs if digest in self._scans}

    async def keep_scan(self, scan: BlobScan, *, is_archive: bool) -> None:
        """Remember what a scanner said."""
        self._scans[scan.blob] = scan

    async def seen(self, purls: Iterable[str]) -> Mapping[str, Seen]:
        """Nothing: no package was seen before."""
        return {}


def _entries(outcome: LayerOutcome | None) -> int:
    return len(outcome.entries) if isinstance(outcome, LayerFacts) else 0
