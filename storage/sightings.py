"""When each version of a package was first seen, by a digest of its purl, so that hostile names take no room."""

import asyncio
import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa

from storage.batches import batches
from storage.database import Transaction
from storage.schema import package_sightings
from storage.sighting_record import Seen, noted_before
from storage.upsert import insert

_AT_ONCE = 500
"""Names in one question: SQLite takes 32766 parameters, and plans grow with them."""


async def find(tx: Transaction, purls: Iterable[str]) -> Mapping[str, Seen]:
    """When those of `purls` that are known were seen."""
    names = await asyncio.to_thread(_names, tuple(purls))
    found: dict[str, Seen] = {}
    for some in batches(list(names), _AT_ONCE):
        rows = await tx.execute(sa.select(package_sightings).where(package_sightings.c.package.in_(some)))
        found |= {names[row.package]: Seen(row.first_seen, row.last_seen) for row in rows}
    return found


async def note(tx: Transaction, seen: Mapping[str, datetime], now: datetime) -> None:
    """Remember since when packages are known that are there `now`. The earliest time that anybody notes counts."""
    names = await asyncio.to_thread(_names, tuple(seen))
    rows: Sequence[Mapping[str, object]] = [
        {"package": name, "first_seen": seen[names[name]], "last_seen": now} for name in names
    ]
    if not rows:
        return
    new = insert(tx, package_sightings)
    columns = (package_sightings.c.first_seen, package_sightings.c.last_seen)
    noting = new.on_conflict_do_update(
        index_elements=[package_sightings.c.package],
        set_={
            "first_seen": sa.case((new.excluded.first_seen < columns[0], new.excluded.first_seen), else_=columns[0]),
            "last_seen": sa.case((new.excluded.last_seen > columns[1], new.excluded.last_seen), else_=columns[1]),
        },
    )
    for some in batches(rows, _AT_ONCE):  # others have their turn in between
        await tx.execute(noting, some)


async def count_unseen(tx: Transaction, since: datetime) -> int:
    """How many were surely not seen since then."""
    return (await tx.execute(sa.select(sa.func.count()).where(_unseen(since)))).scalar_one()


async def forget_unseen(tx: Transaction, since: datetime, most: int) -> int:
    """Forget at most so `most` of those that were surely not seen since then; gives how many that were. What somebody
    else is noting, or forgetting, is passed over: nobody is waited for.
    """
    old = sa.select(package_sightings.c.package).where(_unseen(since))
    # SQLite has one writer at a time, and no such locks: there FOR UPDATE is left out.
    locking = old.order_by(package_sightings.c.package).limit(most).with_for_update(skip_locked=True)
    some = (await tx.execute(locking)).scalars().all()
    await tx.execute(package_sightings.delete().where(package_sightings.c.package.in_(some)))
    return len(some)


def _unseen(since: datetime) -> sa.ColumnElement[bool]:
    return package_sightings.c.last_seen < noted_before(since)


def _names(purls: Collection[str]) -> dict[str, str]:
    """What each is called in the table, in the order of these names: rows taken in one order wait for nobody."""
    return dict(sorted((hashlib.sha256(purl.encode()).hexdigest(), purl) for purl in purls))
