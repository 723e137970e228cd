"""When each version of a package was first seen, by a digest of its purl, so that hostile names take no room."""

import asyncio
import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa

from storage.batches import batches
from storage.database import Transaction
from storage.schema import package_sightings
from storage.upsert import insert

_AT_ONCE = 500
"""Names in one question: SQLite takes 32766 parameters, and plans grow with them."""


async def find(tx: Transaction, purls: Iterable[str]) -> Mapping[str, datetime]:
    """When those of `purls` that are known were first seen."""
    names = await asyncio.to_thread(_names, tuple(purls))
    found: dict[str, datetime] = {}
    for some in batches(list(names), _AT_ONCE):
        rows = await tx.execute(sa.select(package_sightings).where(package_sightings.c.package.in_(some)))
        found |= {names[row.package]: row.first_seen for row in rows}
    return found


async def note(tx: Transaction, seen: Mapping[str, datetime]) -> None:
    """Remember when packages were seen. The earliest time that anybody notes counts."""
    names = await asyncio.to_thread(_names, tuple(seen))
    rows: Sequence[Mapping[str, object]] = [{"package": name, "first_seen": seen[names[name]]} for name in names]
    if not rows:
        return
    new = insert(tx, package_sightings)
    earlier = new.excluded.first_seen < package_sightings.c.first_seen
    noting = new.on_conflict_do_update(
        index_elements=[package_sightings.c.package],
        set_={"first_seen": new.excluded.first_seen},
        where=earlier,
    )
    for some in batches(rows, _AT_ONCE):  # others have their turn in between
        await tx.execute(noting, some)


def _names(purls: Collection[str]) -> dict[str, str]:
    """What each is called in the table, in the order of these names: rows taken in one order wait for nobody."""
    return dict(sorted((hashlib.sha256(purl.encode()).hexdigest(), purl) for purl in purls))
