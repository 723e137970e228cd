"""What was admitted under each tag, so that a tag can go on meaning the last of it that is still admitted."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from scanning.oci.digest import Digest
from scanning.oci.names import Repository, Tag
from storage.database import Transaction
from storage.schema import tag_history
from storage.upsert import insert

MOST_KEPT = 32
"""How many manifests are remembered for one tag: the newest."""


@dataclass(frozen=True, slots=True)
class Tagged:
    """What was last admitted under a tag, when, and how many other manifests are remembered that were so before."""

    repository: Repository
    tag: Tag
    digest: Digest
    admitted_at: datetime
    older: int


async def record(tx: Transaction, repository: Repository, tag: Tag, digest: Digest, now: datetime) -> None:
    """A manifest was admitted under `tag`: it is the newest of it now, and those beyond `MOST_KEPT` are forgotten."""
    history = sa.select(tag_history.c.manifest, tag_history.c.position).where(*_of(repository, tag))
    newest_first = history.order_by(tag_history.c.position.desc())
    newest = (await tx.execute(newest_first.limit(1))).one_or_none()
    if newest is not None and newest.manifest == str(digest):
        return
    place = {"position": newest.position + 1 if newest else 1, "admitted_at": now}
    await tx.execute(
        insert(tx, tag_history)
        .values(repository=str(repository), tag=str(tag), manifest=str(digest), **place)
        .on_conflict_do_update(index_elements=list(tag_history.primary_key), set_=place)
    )
    oldest_kept = (await tx.execute(newest_first.offset(MOST_KEPT - 1).limit(1))).one_or_none()
    if oldest_kept is not None:
        await tx.execute(
            sa.delete(tag_history).where(*_of(repository, tag), tag_history.c.position < oldest_kept.position)
        )


async def of(tx: Transaction, repository: Repository, tag: Tag) -> tuple[Digest, ...]:
    """What was admitted under a tag, the newest first."""
    found = await tx.scalars(
        sa.select(tag_history.c.manifest).where(*_of(repository, tag)).order_by(tag_history.c.position.desc())
    )
    return tuple(map(Digest.parse, found))


async def tags_of(tx: Transaction, repository: Repository, digest: Digest) -> tuple[Tag, ...]:
    """The tags under which a manifest was admitted, in the order of their names."""
    columns = tag_history.c
    found = await tx.scalars(
        sa.select(columns.tag).where(columns.repository == str(repository), columns.manifest == str(digest))
    )
    return tuple(sorted(map(Tag, found)))


async def newest_of_each(tx: Transaction, repository: Repository | None = None) -> tuple[Tagged, ...]:
    """What was last admitted under each tag, of one repository or of all, in the order of their names."""
    names = tag_history.c.repository, tag_history.c.tag
    last = sa.select(*names, sa.func.max(tag_history.c.position).label("position"), sa.func.count().label("count"))
    if repository is not None:
        last = last.where(tag_history.c.repository == str(repository))
    newest = last.group_by(*names).subquery()
    is_newest = sa.and_(*(tag_history.c[name] == newest.c[name] for name in ("repository", "tag", "position")))
    rows = await tx.execute(
        sa.select(*names, tag_history.c.manifest, tag_history.c.admitted_at, newest.c.count)
        .join(newest, is_newest)
        .order_by(*names)
    )
    return tuple(
        Tagged(Repository(name), Tag(tag), Digest.parse(digest), admitted_at, count - 1)
        for name, tag, digest, admitted_at, count in rows
    )


async def since(tx: Transaction, repository: Repository, tag: Tag, position: int) -> tuple[tuple[int, Digest], ...]:
    """What was admitted under a tag after `position`, with its own, the newest last."""
    found = await tx.execute(
        sa.select(tag_history.c.position, tag_history.c.manifest)
        .where(*_of(repository, tag), tag_history.c.position > position)
        .order_by(tag_history.c.position)
    )
    return tuple((row.position, Digest.parse(row.manifest)) for row in found)


async def forget_tag(tx: Transaction, repository: Repository, tag: Tag) -> None:
    """The tag was deleted: it means nothing any more, not even what it meant once (threat 67)."""
    await tx.execute(sa.delete(tag_history).where(*_of(repository, tag)))


async def forget_manifest(tx: Transaction, repository: Repository, digest: Digest) -> None:
    """A manifest was deleted: no tag means it any more (threat 67)."""
    await tx.execute(
        sa.delete(tag_history).where(tag_history.c.repository == str(repository), tag_history.c.manifest == str(digest))
    )


def _of(repository: Repository, tag: Tag) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    return tag_history.c.repository == str(repository), tag_history.c.tag == str(tag)
