"""What pulling asks of manifests, of many in one go: what the gate knows of each, and its last verdict."""

from collections.abc import Collection
from dataclasses import dataclass

from scanning.oci.digest import Digest
from scanning.oci.names import Repository
from scanning.verdict import Verdict
from storage import manifests, verdicts
from storage.database import Transaction
from storage.manifest_record import ManifestRecord

Key = tuple[Repository, Digest]


@dataclass(frozen=True, slots=True)
class Judged:
    """A manifest of a repository as it is on record; a verdict can be there without it, and it without a verdict."""

    manifest: ManifestRecord | None = None
    verdict: Verdict | None = None


async def find(tx: Transaction, wanted: Collection[Key]) -> dict[Key, Judged]:
    """Each of `wanted`, of which there is at least one. Raises `StorageError` if a verdict cannot be read any more."""
    known = await manifests.find_many(tx, wanted)
    last = await verdicts.latest_of_many(tx, wanted)
    return {key: Judged(known.get(key), last.get(key)) for key in wanted}
