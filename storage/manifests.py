"""Every manifest the gate has judged, per repository, with the edges that pulling needs.

manifest --blob--> what a puller of the manifest may read
index --child--> manifest
"""

from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from scanning.errors import InvalidDigestError
from scanning.oci.digest import Digest
from scanning.oci.manifest import Manifest, ManifestKind
from scanning.oci.names import Repository
from storage import verdicts as verdicts_on_record
from storage.database import Transaction
from storage.manifest_record import ManifestRecord
from storage.schema import held_tags, manifest_blobs, manifest_children, manifests, tag_history, verdicts
from storage.upsert import insert

MAX_ANCESTORS = 64
_MOMENT = timedelta(microseconds=1)
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Seen:
    """The upstream had a manifest at `at`, which was on record before that, since `first_seen`."""

    repository: Repository
    digest: Digest
    first_seen: datetime
    at: datetime


async def record(
    tx: Transaction,
    repository: Repository,
    manifest: Manifest,
    body: bytes,
    *,
    held: bool,
    facts: Digest | None,
    now: datetime,
    seen_at: datetime | None = None,
) -> None:
    """Remember a manifest and its edges. Recording it again with `held=False` releases it; with `held=True` it never
    takes back one that was released. Facts once known stay until others are given, and so does `seen_at`.
    """
    new = insert(tx, manifests).values(
        repository=str(repository),
        digest=str(manifest.digest),
        media_type=manifest.media_type,
        kind=manifest.kind,
        body=body,
        held=held,
        subject=str(manifest.subject.digest) if manifest.subject else None,
        artifact_type=manifest.artifact_type,
        facts=str(facts) if facts else None,
        first_seen=now,
        seen_at=seen_at,
    )
    await tx.execute(
        new.on_conflict_do_update(
            index_elements=list(manifests.primary_key),
            set_={
                "media_type": new.excluded.media_type,
                "kind": new.excluded.kind,
                "subject": new.excluded.subject,
                "artifact_type": new.excluded.artifact_type,
                "held": sa.and_(manifests.c.held, new.excluded.held),
                "facts": sa.func.coalesce(new.excluded.facts, manifests.c.facts),
                "seen_at": sa.func.coalesce(new.excluded.seen_at, manifests.c.seen_at),
            },
        )
    )
    await _record_edges(tx, repository, manifest)


async def _record_edges(tx: Transaction, repository: Repository, manifest: Manifest) -> None:
    """A manifest's bytes never change, so neither do its edges: none is ever removed but with the manifest."""
    blobs = [
        {"repository": str(repository), "manifest": str(manifest.digest), "blob": str(blob.digest)}
        for blob in manifest.blobs
    ]
    children = [
        {"repository": str(repository), "parent": str(manifest.digest), "child": str(child)}
        for child in sorted({child.digest for child in manifest.children})
    ]
    if blobs:
        await tx.execute(insert(tx, manifest_blobs).on_conflict_do_nothing(), blobs)
    if children:
        await tx.execute(insert(tx, manifest_children).on_conflict_do_nothing(), children)


async def find(tx: Transaction, repository: Repository, digest: Digest) -> ManifestRecord | None:
    """A manifest of this repository."""
    row = (await tx.execute(sa.select(manifests).where(*_is(repository, digest)))).one_or_none()
    return None if row is None else record_of(row)


async def note_seen(tx: Transaction, seen: Collection[Seen]) -> None:
    """Note that the upstream had manifests, at least one. One that was deleted meanwhile stays deleted, also where the
    same is on record anew.
    """
    parameters = [
        {
            "in_repository": str(one.repository),
            "with_digest": str(one.digest),
            "since": one.first_seen,
            "seen": one.at,
        }
        for one in seen
    ]
    columns = manifests.c
    await tx.execute(
        sa.update(manifests)
        .where(
            columns.repository == sa.bindparam("in_repository"),
            columns.digest == sa.bindparam("with_digest"),
            columns.first_seen == sa.bindparam("since"),
        )
        .values(seen_at=sa.bindparam("seen")),
        parameters,
    )


async def vouch(tx: Transaction, repository: Repository, digest: Digest) -> None:
    """Mark a signature as one by a signer of the policy."""
    await tx.execute(sa.update(manifests).where(*_is(repository, digest)).values(vouched=True))


async def doubt(tx: Transaction, repository: Repository, digests: Collection[Digest], now: datetime) -> None:
    """Have what was judged of manifests until `now` stand no more (`storage.judged`), and what is on record of them as
    judged later, by a clock that is ahead.
    """
    wanted = [(repository, digest) for digest in digests]
    last = await verdicts_on_record.latest_of_many(tx, wanted) if wanted else {}
    for key in wanted:
        verdict = last.get(key)
        at = max(now, verdict.judged_at + _MOMENT) if verdict is not None else now
        await tx.execute(sa.update(manifests).where(*_is(*key)).values(doubted_at=at))


async def forget(tx: Transaction, repository: Repository, digest: Digest) -> bool:
    """Remove a manifest with its edges and the tags that wait for it; False if it is not there."""
    gone = await tx.execute(sa.delete(manifests).where(*_is(repository, digest)))
    return gone.rowcount > 0


async def unasked(tx: Transaction, before: datetime) -> tuple[tuple[Repository, Digest], ...]:
    """Every manifest that nothing needs and that nobody has asked for since `before` (see `_is_unasked`)."""
    rows = await tx.execute(sa.select(manifests.c.repository, manifests.c.digest).where(*_is_unasked(before)))
    return tuple(sorted((Repository(repository), Digest.parse(digest)) for repository, digest in rows))


async def forget_unasked(tx: Transaction, repository: Repository, digest: Digest, before: datetime) -> bool:
    """Remove a manifest with its edges, unless something needs it by now, or somebody asked for it."""
    gone = await tx.execute(sa.delete(manifests).where(*_is(repository, digest), *_is_unasked(before)))
    return gone.rowcount > 0


def _is_unasked(before: datetime) -> tuple[sa.ColumnElement[bool], ...]:
    """It is not held, no tag that was pushed through the gate means it or waits for it, no index on record lists it,
    and what it refers to is not on record; since `before` it was neither judged, nor found at the upstream, nor new.
    """
    subject = manifests.alias()

    def is_in(table: sa.Table, digest: sa.Column[str]) -> sa.ColumnElement[bool]:
        return sa.exists().where(table.c.repository == manifests.c.repository, digest == manifests.c.digest)

    return (
        sa.not_(manifests.c.held),
        sa.func.coalesce(manifests.c.seen_at, manifests.c.first_seen) < before,
        ~is_in(tag_history, tag_history.c.manifest),
        ~is_in(held_tags, held_tags.c.manifest),
        ~is_in(manifest_children, manifest_children.c.child),
        ~sa.exists().where(subject.c.repository == manifests.c.repository, subject.c.digest == manifests.c.subject),
        ~sa.exists().where(
            verdicts.c.repository == manifests.c.repository,
            verdicts.c.digest == manifests.c.digest,
            verdicts.c.judged_at >= before,
        ),
    )


async def parents(tx: Transaction, repository: Repository, child: Digest) -> tuple[Digest, ...]:
    """The indexes of this repository that list `child`, in the order of their digests."""
    return await _digests(
        tx,
        sa.select(manifest_children.c.parent).where(
            manifest_children.c.repository == str(repository), manifest_children.c.child == str(child)
        ),
    )


async def children(tx: Transaction, repository: Repository, parent: Digest) -> tuple[Digest, ...]:
    """What an index of this repository lists, in the order of the digests."""
    return await _digests(
        tx,
        sa.select(manifest_children.c.child).where(
            manifest_children.c.repository == str(repository), manifest_children.c.parent == str(parent)
        ),
    )


async def beginning_with(tx: Transaction, repository: Repository, prefix: str) -> tuple[Digest, ...]:
    """The manifests of this repository whose digests begin with `prefix`, `algorithm:hex`, in the order of these; a
    whole sha256 as it is, on record or not.
    """
    with suppress(InvalidDigestError):
        return (Digest.parse(prefix),)
    begins = manifests.c.digest.startswith(prefix, autoescape=True)
    return await _digests(tx, sa.select(manifests.c.digest).where(manifests.c.repository == str(repository), begins))


async def ancestors(tx: Transaction, repository: Repository, child: Digest) -> tuple[Digest, ...]:
    """The indexes of this repository that list `child`, then those that list them, and so on: nearest first.

    At most `MAX_ANCESTORS`, so that nobody makes the gate look at indexes without end.
    """
    found: dict[Digest, None] = {}
    level: tuple[Digest, ...] = (child,)
    while level:
        listing = [parent for digest in level for parent in await parents(tx, repository, digest)]
        level = tuple(dict.fromkeys(parent for parent in listing if parent not in found))
        level = level[: MAX_ANCESTORS - len(found)]
        found |= dict.fromkeys(level)
    return tuple(found)


async def holders(tx: Transaction, repository: Repository, blob: Digest) -> tuple[Digest, ...]:
    """The manifests of this repository that refer to `blob`, in the order of their digests."""
    return await _digests(
        tx,
        sa.select(manifest_blobs.c.manifest).where(
            manifest_blobs.c.repository == str(repository), manifest_blobs.c.blob == str(blob)
        ),
    )


async def signatures_made_of(tx: Transaction, repository: Repository, blob: Digest) -> tuple[Digest, ...]:
    """Those of them that are signatures."""
    is_holder = sa.and_(
        manifest_blobs.c.repository == manifests.c.repository, manifest_blobs.c.manifest == manifests.c.digest
    )
    return await _digests(
        tx,
        sa.select(manifests.c.digest)
        .join(manifest_blobs, is_holder)
        .where(
            manifest_blobs.c.repository == str(repository),
            manifest_blobs.c.blob == str(blob),
            manifests.c.kind == ManifestKind.SIGNATURE,
        ),
    )


async def holding(tx: Transaction, blobs: Collection[Digest]) -> dict[Digest, tuple[tuple[Repository, Digest], ...]]:
    """The manifests of any repository that refer to each of `blobs`, in the order of names and digests. Reads all edges
    once.
    """
    edges = manifest_blobs.c
    rows = await tx.execute(
        sa.select(edges.blob, edges.repository, edges.manifest).where(edges.blob.in_([str(blob) for blob in blobs]))
    )
    found: dict[Digest, list[tuple[Repository, Digest]]] = {blob: [] for blob in blobs}
    for row in rows:
        found[Digest.parse(row.blob)].append((Repository(row.repository), Digest.parse(row.manifest)))
    return {blob: tuple(sorted(holders)) for blob, holders in found.items()}


async def referrers(tx: Transaction, repository: Repository, subject: Digest) -> tuple[ManifestRecord, ...]:
    """The manifests of this repository whose subject is `subject`, in the order of their digests."""
    rows = await tx.execute(
        sa.select(manifests).where(manifests.c.repository == str(repository), manifests.c.subject == str(subject))
    )
    return tuple(sorted(map(record_of, rows), key=lambda found: found.digest))


async def weight_of_referrers(
    tx: Transaction, repository: Repository, subject: Digest, *, without: Digest
) -> tuple[int, int]:
    """How many manifests of this repository have the subject `subject`, and their bytes together; `without` apart."""
    row = (
        await tx.execute(
            sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(sa.func.length(manifests.c.body)), 0)).where(
                manifests.c.repository == str(repository),
                manifests.c.subject == str(subject),
                manifests.c.digest != str(without),
            )
        )
    ).one()
    return row[0], int(row[1])


async def held(tx: Transaction) -> tuple[tuple[Repository, Digest], ...]:
    """Every manifest that the gate alone keeps."""
    rows = await tx.execute(sa.select(manifests.c.repository, manifests.c.digest).where(manifests.c.held))
    return tuple(sorted((Repository(repository), Digest.parse(digest)) for repository, digest in rows))


async def due(tx: Transaction, now: datetime) -> tuple[tuple[Repository, Digest], ...]:
    """Every manifest that the gate alone keeps and whose last verdict has run out, and every one whose last verdict was
    doubted since.
    """

    def last(column: sa.ColumnElement[datetime]) -> sa.ScalarSelect[datetime]:
        return (
            sa.select(column)
            .where(
                verdicts.c.repository == manifests.c.repository,
                verdicts.c.digest == manifests.c.digest,
                verdicts.c.tag == "",
            )
            .order_by(verdicts.c.number.desc())
            .limit(1)
            .scalar_subquery()
        )

    every = sa.select(manifests.c.repository, manifests.c.digest)
    run_out = every.where(manifests.c.held, last(verdicts.c.valid_until) <= now)
    # SQLite takes an index for a range, and not for what is not NULL.
    doubted = every.where(manifests.c.doubted_at > _LONG_AGO, last(verdicts.c.judged_at) < manifests.c.doubted_at)
    rows = await tx.execute(sa.union(run_out, doubted))  # each by an index; with OR, all would be read
    return tuple(sorted((Repository(repository), Digest.parse(digest)) for repository, digest in rows))


async def unjudged(tx: Transaction) -> tuple[tuple[Repository, Digest], ...]:
    """Every manifest that is held, or that a tag waits for, without a verdict since it began to."""
    held_ones = sa.select(manifests.c.repository, manifests.c.digest, manifests.c.first_seen.label("since"))
    waited_for = sa.select(held_tags.c.repository, held_tags.c.manifest, held_tags.c.held_at)
    waiting = sa.union(held_ones.where(manifests.c.held), waited_for).subquery()
    is_judged = sa.exists().where(
        verdicts.c.repository == waiting.c.repository,
        verdicts.c.digest == waiting.c.digest,
        verdicts.c.judged_at >= waiting.c.since,
    )
    rows = await tx.execute(sa.select(waiting.c.repository, waiting.c.digest).where(~is_judged).distinct())
    return tuple(sorted((Repository(repository), Digest.parse(digest)) for repository, digest in rows))


async def repositories(tx: Transaction) -> tuple[Repository, ...]:
    """The repositories with at least one manifest, in lexical order."""
    names = await tx.scalars(sa.select(manifests.c.repository).distinct())
    return tuple(sorted(map(Repository, names)))


def _is(repository: Repository, digest: Digest) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    return manifests.c.repository == str(repository), manifests.c.digest == str(digest)


async def _digests(tx: Transaction, query: sa.Select[str]) -> tuple[Digest, ...]:
    """Sorted here and not by the database, whose collation may be any."""
    return tuple(sorted(map(Digest.parse, await tx.scalars(query))))


def record_of(row: sa.Row[*tuple[Any, ...]]) -> ManifestRecord:
    """What a row says that has all columns of `manifests`."""
    return ManifestRecord(
        repository=Repository(row.repository),
        digest=Digest.parse(row.digest),
        media_type=row.media_type,
        kind=ManifestKind(row.kind),
        body=row.body,
        held=row.held,
        subject=Digest.parse(row.subject) if row.subject else None,
        artifact_type=row.artifact_type,
        facts=Digest.parse(row.facts) if row.facts else None,
        first_seen=row.first_seen,
        seen_at=row.seen_at,
        vouched=row.vouched,
    )
