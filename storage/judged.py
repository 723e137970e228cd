"""What pulling asks of manifests, of many in one go: what the gate knows of each, and its last verdict.

One statement for all: each is sent to a thread and back several times over, which costs more than what it reads.
"""

from collections.abc import Collection
from dataclasses import dataclass

import sqlalchemy as sa

from scanning.oci.digest import Digest
from scanning.oci.names import Repository
from scanning.verdict import Verdict
from storage.database import Transaction
from storage.manifest_record import ManifestRecord
from storage.manifests import record_of
from storage.schema import manifests, verdicts
from storage.verdicts import last_number, verdict_of

Key = tuple[Repository, Digest]


@dataclass(frozen=True, slots=True)
class Judged:
    """A manifest of a repository as it is on record, if it is, and the last verdict on it, if there is one.

    What was said of a manifest that is on record no more, or before that was doubted (`manifests.doubt`), is not told:
    it admits nobody.
    """

    manifest: ManifestRecord | None = None
    verdict: Verdict | None = None


_NOTHING = Judged()
_WITH_VERDICT = (
    sa.select(manifests, verdicts.c.body.label("verdict"))
    .select_from(
        manifests.outerjoin(verdicts, verdicts.c.number == last_number(manifests.c.repository, manifests.c.digest))
    )
    # Pairs that nobody asked for are found as well. For a list of pairs SQLite would scan the whole table.
    .where(
        manifests.c.repository.in_(sa.bindparam("repositories", expanding=True)),
        manifests.c.digest.in_(sa.bindparam("digests", expanding=True)),
    )
)
"""Made once: to put it together takes as long as to run it."""


async def find(tx: Transaction, wanted: Collection[Key]) -> dict[Key, Judged]:
    """Each of `wanted`, of which there is at least one. Raises `StorageError` if a verdict cannot be read any more."""
    keys = {(str(repository), str(digest)): (repository, digest) for repository, digest in wanted}
    rows = await tx.execute(
        _WITH_VERDICT,
        {"repositories": sorted({name for name, _ in keys}), "digests": sorted({digest for _, digest in keys})},
    )
    found = dict.fromkeys(wanted, _NOTHING)
    for row in rows:
        key = keys.get((row.repository, row.digest))
        if key is not None:
            verdict = None if row.verdict is None else verdict_of(row.verdict)
            if verdict is not None and row.doubted_at is not None and verdict.judged_at < row.doubted_at:
                verdict = None
            found[key] = Judged(record_of(row), verdict)
    return found
