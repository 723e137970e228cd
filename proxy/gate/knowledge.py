"""What is known of images before anybody looks at them, and where what is found is kept: a port.

a gate's records       `recorded.RecordedKnowledge`   outlives the process, shared by all replicas
one question           `passing.PassingKnowledge`     nothing is known but what the question itself found
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol, TypeAlias

from scanning.facts import LayerFacts, LayerRefusal
from scanning.malware import BlobScan
from scanning.oci.digest import Digest
from scanning.oci.names import Repository
from storage.manifest_record import ManifestRecord
from storage.sighting_record import Seen

LayerOutcome: TypeAlias = LayerFacts | LayerRefusal
"""What is in a layer, or why it cannot be read."""


class Knowledge(Protocol):
    """All methods raise the `StorageError` family."""

    async def manifest(self, repository: Repository, digest: Digest) -> ManifestRecord | None:
        """A manifest of this repository that was judged before."""

    async def facts(self, repository: Repository, digest: Digest) -> bytes | None:
        """The document of what was found in an image of this repository, of whatever version that is."""

    async def ancestors(self, repository: Repository, child: Digest) -> Sequence[Digest]:
        """The indexes of this repository that list `child`, then those that list these, and so on: nearest first."""

    async def referrers(self, repository: Repository, subject: Digest) -> Sequence[ManifestRecord]:
        """The manifests of this repository whose subject is `subject`, in the order of their digests."""

    async def layers(self, digests: Iterable[Digest]) -> Mapping[Digest, LayerOutcome]:
        """What is known of each of these layers, as today's inspection sees it; no more."""

    async def keep_layer(self, outcome: LayerOutcome) -> None:
        """Keep what an inspection gave. A refusal takes the place of nothing: whoever could read it, was right."""

    async def scans(self, blobs: Iterable[Digest]) -> Mapping[Digest, BlobScan]:
        """What a malware scanner said of those of `blobs` that it looked at."""

    async def keep_scan(self, scan: BlobScan, *, is_archive: bool) -> None:
        """Keep what a scanner said of a blob, in place of what was said before."""

    async def seen(self, purls: Iterable[str]) -> Mapping[str, Seen]:
        """When those of these packages were seen that count as seen at all."""
