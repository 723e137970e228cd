"""What each caller got at the last pull of a tag: kept beside the audit, which grows for ever.

The records of a killed process are added later than those of others; what counts is when the pull was.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from scanning.oci.digest import Digest
from storage.database import Transaction
from storage.prepared import PreparedInsert
from storage.schema import last_pulls
from storage.tag_history import Tagged
from storage.upsert import insert_on

_KEY = tuple(column.name for column in last_pulls.primary_key)


@dataclass(frozen=True, slots=True)
class LastPull:
    """Who pulled, what that meant then, and when."""

    actor: str
    digest: Digest
    at: datetime


async def note(tx: Transaction, served: Iterable[Mapping[str, Any]]) -> None:
    """Remember pulls that were served: records of the audit as its columns, in the order in which they were added.

    Those by digest are left out, for what they mean never changes.
    """
    rows: dict[tuple[str, ...], Mapping[str, Any]] = {}
    for record in served:
        if not record["digest"] or ":" in record["reference"]:
            continue
        row = {
            "repository": record["repository"],
            "tag": record["reference"],
            "actor": record["actor"],
            "digest": record["digest"],
            "at": record["at"],
        }
        key = tuple([row[name] for name in _KEY])
        if key not in rows or rows[key]["at"] <= row["at"]:
            rows[key] = row
    in_order = [rows[key] for key in sorted(rows)]  # of two processes that note the same pulls, one waits
    await _noting(tx.dialect).add(tx, in_order)


async def of_each(tx: Transaction, tags: Collection[Tagged]) -> Mapping[Tagged, Sequence[LastPull]]:
    """The last pull of each who pulled by one of these tags, the newest first; nothing of a tag that nobody pulled."""
    return await _read(tx, tags, lambda got, tagged: True)


async def of_others(tx: Transaction, tags: Collection[Tagged]) -> Mapping[Tagged, Sequence[LastPull]]:
    """Those of them that got something else than the tag means now."""
    return await _read(tx, tags, lambda got, tagged: got != str(tagged.digest))


async def _read(
    tx: Transaction, tags: Collection[Tagged], is_wanted: Callable[[str, Tagged], bool]
) -> Mapping[Tagged, Sequence[LastPull]]:
    by_name = {(str(tagged.repository), str(tagged.tag)): tagged for tagged in tags}
    columns = last_pulls.c
    rows = await tx.execute(
        sa.select(last_pulls)
        .where(
            columns.repository.in_(sorted({repository for repository, _ in by_name})),
            columns.tag.in_(sorted({tag for _, tag in by_name})),
        )
        .order_by(columns.at.desc(), columns.actor)
    )
    found: dict[Tagged, list[LastPull]] = {}
    for row in rows:  # of other tags as well: one of their repositories with a tag that only another has
        tagged = by_name.get((row.repository, row.tag))
        if tagged is not None and is_wanted(row.digest, tagged):
            found.setdefault(tagged, []).append(LastPull(row.actor, Digest.parse(row.digest), row.at))
    return found


@lru_cache(maxsize=8)
def _noting(dialect: sa.Dialect) -> PreparedInsert:
    new = insert_on(dialect, last_pulls)
    noting = new.on_conflict_do_update(
        index_elements=list(last_pulls.primary_key),
        set_={"digest": new.excluded.digest, "at": new.excluded.at},
        where=last_pulls.c.at <= new.excluded.at,
    )
    return PreparedInsert.of(noting, dialect)
