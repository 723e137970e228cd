"""Verdicts, in the order they were made. None is ever changed; old ones go (`storage.forgetting`)."""

import asyncio
from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar, TypeVarTuple

import sqlalchemy as sa

from scanning.documents import decode, encode
from scanning.errors import InvalidContentError
from scanning.oci.digest import Digest
from scanning.oci.names import Repository
from scanning.verdict import Outcome, Verdict, VerdictInputs
from storage.database import Transaction
from storage.errors import StorageError
from storage.schema import manifests, verdicts
from storage.upsert import insert

_AT_ONCE = 500
Value = TypeVar("Value")
Columns = TypeVarTuple("Columns")


async def append(tx: Transaction, verdict: Verdict) -> None:
    """Add a verdict. One with the same id is the same verdict, and is there once."""
    await tx.execute(
        insert(tx, verdicts)
        .values(
            id=verdict.id,
            repository=verdict.repository,
            digest=str(verdict.digest),
            tag=verdict.tag,
            outcome=verdict.outcome,
            judged_at=verdict.judged_at,
            valid_until=verdict.valid_until,
            body=encode(verdict).decode(),
        )
        .on_conflict_do_nothing(index_elements=[verdicts.c.id])
    )


async def get(tx: Transaction, verdict_id: str) -> Verdict | None:
    """A verdict by its id. Raises `StorageError` if it cannot be read any more; so do the functions below."""
    body = await tx.scalar(sa.select(verdicts.c.body).where(verdicts.c.id == verdict_id))
    return None if body is None else verdict_of(body)


async def latest(tx: Transaction, repository: Repository, digest: Digest) -> Verdict | None:
    """The last verdict on a manifest in a repository, whatever was said of it under one tag."""
    body = await tx.scalar(
        sa.select(verdicts.c.body)
        .where(verdicts.c.repository == str(repository), verdicts.c.digest == str(digest), verdicts.c.tag == "")
        .order_by(verdicts.c.number.desc())
        .limit(1)
    )
    return None if body is None else verdict_of(body)


async def latest_of_many(
    tx: Transaction, wanted: Collection[tuple[Repository, Digest]]
) -> dict[tuple[Repository, Digest], Verdict]:
    """The last verdict on each of `wanted` that has one, whatever was said of it under one tag."""
    last = (
        sa.select(sa.func.max(verdicts.c.number))
        .where(_among(wanted, verdicts.c.repository, verdicts.c.digest), verdicts.c.tag == "")
        .group_by(verdicts.c.repository, verdicts.c.digest)
    )
    rows = await tx.execute(
        sa.select(verdicts.c.repository, verdicts.c.digest, verdicts.c.body).where(verdicts.c.number.in_(last))
    )
    bodies = {(row.repository, row.digest): row.body for row in rows}
    found = {key: bodies.get((str(key[0]), str(key[1]))) for key in wanted}
    return {key: verdict_of(body) for key, body in found.items() if body is not None}


def last_number(repository: sa.ColumnElement[str], digest: sa.ColumnElement[str]) -> sa.ScalarSelect[int]:
    """The number of the last verdict on a manifest, for a statement that names it; whatever was said under one tag."""
    said = verdicts.alias()
    last = sa.select(sa.func.max(said.c.number)).correlate_except(said)
    return last.where(said.c.repository == repository, said.c.digest == digest, said.c.tag == "").scalar_subquery()


async def snapshots_named(tx: Transaction) -> frozenset[Digest]:
    """The advisory snapshots that the last verdicts on manifests on record name, with or without a tag."""
    named: set[Digest] = set()
    async for some in made_of(tx, is_in_force()):
        named |= {made.inputs.snapshot for made in some if made.inputs.snapshot is not None}
    return frozenset(named)


@dataclass(frozen=True, slots=True)
class Made:
    """A verdict by its id, and what it was made of: all that is read of it where only that matters."""

    id: str
    inputs: VerdictInputs


def is_in_force() -> sa.ColumnElement[bool]:
    """Whether a verdict is the last one on a manifest on record, or the last one on it under a tag."""
    last = sa.select(sa.func.max(verdicts.c.number)).group_by(verdicts.c.repository, verdicts.c.digest, verdicts.c.tag)
    is_on_record = sa.exists().where(
        manifests.c.repository == verdicts.c.repository, manifests.c.digest == verdicts.c.digest
    )
    return sa.and_(verdicts.c.number.in_(last), is_on_record)


async def made_of(tx: Transaction, which: sa.ColumnElement[bool]) -> AsyncIterator[Sequence[Made]]:
    """What those verdicts were made of for which `which` holds, some at a time."""
    rows = await tx.stream_scalars(sa.select(verdicts.c.body).where(which))
    async for some in rows.partitions(_AT_ONCE):
        yield await asyncio.to_thread(_made, some)


async def newest_number(tx: Transaction) -> int:
    """The number of the verdict that was appended last, 0 if there is none."""
    return await tx.scalar(sa.select(sa.func.max(verdicts.c.number))) or 0


async def older(tx: Transaction, before: datetime, up_to: int) -> list[tuple[int, str]]:
    """Numbers and ids of the verdicts made before `before`, of those with a number up to `up_to`."""
    rows = await tx.execute(
        sa.select(verdicts.c.number, verdicts.c.id).where(verdicts.c.judged_at < before, verdicts.c.number <= up_to)
    )
    return [(number, name) for number, name in rows]


async def forget(tx: Transaction, numbers: Collection[int]) -> int:
    """Remove verdicts; gives how many there were."""
    gone = await tx.execute(sa.delete(verdicts).where(verdicts.c.number.in_(numbers)))
    return gone.rowcount


async def list_newest(
    tx: Transaction,
    *,
    repository: Repository | None = None,
    outcome: Outcome | None = None,
    limit: int,
    before: str | None = None,
) -> tuple[Verdict, ...]:
    """The last `limit` verdicts of a repository, with an outcome, or of all; newest first.

    `before` names a verdict: only older ones are wanted. If there is no such verdict, there are none.
    """
    query = _newest(sa.select(verdicts.c.body), repository, outcome, before)
    return tuple(verdict_of(body) for body in await tx.scalars(query.limit(limit)))


async def list_newest_ids(
    tx: Transaction,
    *,
    repository: Repository | None = None,
    outcome: Outcome | None = None,
    limit: int,
    before: str | None = None,
) -> tuple[tuple[str, Repository], ...]:
    """The same verdicts by their ids and repositories alone, for whoever wants to read few of many."""
    query = _newest(sa.select(verdicts.c.id, verdicts.c.repository), repository, outcome, before)
    return tuple((row.id, Repository(row.repository)) for row in await tx.execute(query.limit(limit)))


async def get_many(tx: Transaction, ids: Collection[str]) -> tuple[Verdict, ...]:
    """Those of these verdicts that there are, the newest first."""
    query = sa.select(verdicts.c.body).where(verdicts.c.id.in_(ids)).order_by(verdicts.c.number.desc())
    return tuple(verdict_of(body) for body in await tx.scalars(query))


def _newest(
    query: sa.Select[*Columns], repository: Repository | None, outcome: Outcome | None, before: str | None
) -> sa.Select[*Columns]:
    query = query.order_by(verdicts.c.number.desc())
    if repository is not None:
        query = query.where(verdicts.c.repository == str(repository))
    if outcome is not None:
        query = query.where(verdicts.c.outcome == outcome)
    return query if before is None else query.where(verdicts.c.number < _number_of(before))


def _number_of(verdict_id: str) -> sa.ScalarSelect[int]:
    return sa.select(verdicts.c.number).where(verdicts.c.id == verdict_id).scalar_subquery()


def _made(bodies: Iterable[str]) -> list[Made]:
    return [_decoded(Made, body) for body in bodies]


def verdict_of(body: str) -> Verdict:
    """What is on record in `verdicts.body`. Raises `StorageError` if it cannot be read any more."""
    return _decoded(Verdict, body)


def _decoded(kind: type[Value], body: str) -> Value:
    try:
        return decode(kind, body.encode())
    except InvalidContentError as error:
        raise StorageError(
            "a verdict on record was written by another version of imagegate; run the newest one"
        ) from error


def _among(
    wanted: Collection[tuple[Repository, Digest]], repository: sa.Column[str], digest: sa.Column[str]
) -> sa.ColumnElement[bool]:
    """A condition that holds for all of `wanted` and can hold for others: one of their repositories with the digest of
    another. SQLite finds that in an index, where it would scan a whole table for a list of pairs.
    """
    repositories = sorted({str(name) for name, _ in wanted})
    digests = sorted({str(each) for _, each in wanted})
    return sa.and_(repository.in_(repositories), digest.in_(digests))
