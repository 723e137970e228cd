"""How many manifests and tags repositories may have on record, since each stays there until somebody deletes it.

What is on record already can always be pushed again. A bound is exact for one repository; where it is for several, each
of them that is pushed to at the same moment may pass it by one push.
"""

from collections.abc import Sequence

from config.by_repository import the_one_for
from config.settings import RecordQuota
from proxy.errors import DeniedError
from scanning.oci.digest import Digest
from scanning.oci.names import Reference, Repository, Tag
from storage import held_tags, manifests, records, tag_history
from storage.database import Database, Transaction


class Room:
    """The bounds. `per_repository` is for each repository that no quota is for."""

    def __init__(self, database: Database, quotas: Sequence[RecordQuota], per_repository: int) -> None:
        self._database = database
        self._quotas = tuple(quotas)
        self._per_repository = per_repository

    async def check(self, repository: Repository, reference: Reference, digest: Digest) -> None:
        """Return if the manifest `digest` may be put on record under `reference`. Call it in the turn of `repository`.

        Raises `DeniedError`, and the `StorageError` family.
        """
        async with self._database.snapshot() as tx:
            wanted = await _new(tx, repository, reference, digest)
            if not wanted:
                return
            quota = self._quota_of(repository)
            if quota is None:
                held = await records.of_repository(tx, repository)
                _check(held, wanted, self._per_repository, repository, "registry.records_per_repository")
                return
            every = await records.of_all(tx)
        held = sum(count for name, count in every.items() if self._quota_of(name) is quota)
        _check(held, wanted, quota.records, repository, f"registry.record_quotas for {quota.named}")

    def _quota_of(self, repository: Repository) -> RecordQuota | None:
        return the_one_for(self._quotas, repository.name)


async def _new(tx: Transaction, repository: Repository, reference: Reference, digest: Digest) -> int:
    """How many records would be added."""
    new = int(await manifests.find(tx, repository, digest) is None)
    if isinstance(reference, Tag):
        is_held = await held_tags.find(tx, repository, reference) is not None
        new += not (is_held or await tag_history.of(tx, repository, reference))
    return new


def _check(held: int, wanted: int, most: int, repository: Repository, setting: str) -> None:
    if held + wanted > most:
        raise DeniedError(
            f"{repository} has no room: {held} manifests and tags are on record of the {most} that {setting} allows,"
            f" and {wanted} more are wanted; delete those that nobody needs, or have an administrator raise it"
        )
