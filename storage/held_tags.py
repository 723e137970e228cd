"""Tags that wait for a quarantined manifest. They go upstream when the manifest does."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from scanning.oci.digest import Digest
from scanning.oci.names import Repository, Tag
from storage.database import Transaction
from storage.schema import held_tags
from storage.upsert import insert


@dataclass(frozen=True, slots=True)
class Held:
    """A tag, the manifest that it waits for, and since when."""

    repository: Repository
    tag: Tag
    digest: Digest
    held_at: datetime


async def hold(tx: Transaction, repository: Repository, tag: Tag, digest: Digest, now: datetime) -> None:
    """Let `tag` wait for a manifest that `storage.manifests` has on record, and for no other."""
    waiting = {"manifest": str(digest), "held_at": now}
    await tx.execute(
        insert(tx, held_tags)
        .values(repository=str(repository), tag=str(tag), **waiting)
        .on_conflict_do_update(index_elements=list(held_tags.primary_key), set_=waiting)
    )


async def find(tx: Transaction, repository: Repository, tag: Tag) -> Digest | None:
    """The manifest that `tag` waits for."""
    found = await tx.scalar(
        sa.select(held_tags.c.manifest).where(held_tags.c.repository == str(repository), held_tags.c.tag == str(tag))
    )
    return None if found is None else Digest.parse(found)


async def of(tx: Transaction, repository: Repository, digest: Digest) -> tuple[Tag, ...]:
    """The tags that wait for a manifest, in lexical order."""
    names = await tx.scalars(
        sa.select(held_tags.c.tag).where(held_tags.c.repository == str(repository), held_tags.c.manifest == str(digest))
    )
    return tuple(sorted(map(Tag, names)))


async def of_repository(tx: Transaction, repository: Repository) -> tuple[Tag, ...]:
    """Every tag of a repository that waits, in lexical order."""
    names = await tx.scalars(sa.select(held_tags.c.tag).where(held_tags.c.repository == str(repository)))
    return tuple(sorted(map(Tag, names)))


async def list_all(tx: Transaction) -> tuple[tuple[Repository, Tag, Digest], ...]:
    """Every tag that waits and for what, in the order of their names."""
    names = held_tags.c.repository, held_tags.c.tag
    rows = await tx.execute(sa.select(*names, held_tags.c.manifest).order_by(*names))
    return tuple((Repository(name), Tag(tag), Digest.parse(digest)) for name, tag, digest in rows)


async def manifests_waited_for(tx: Transaction) -> tuple[tuple[Repository, Digest], ...]:
    """Every manifest that a tag waits for."""
    rows = await tx.execute(sa.select(held_tags.c.repository, held_tags.c.manifest).distinct())
    return tuple(sorted((Repository(repository), Digest.parse(digest)) for repository, digest in rows))


async def newest(tx: Transaction) -> tuple[Held, ...]:
    """Every tag that waits, the newest first."""
    rows = await tx.execute(sa.select(held_tags).order_by(held_tags.c.held_at.desc(), *held_tags.primary_key))
    return tuple(
        Held(Repository(row.repository), Tag(row.tag), Digest.parse(row.manifest), row.held_at) for row in rows
    )


async def drop(tx: Transaction, repository: Repository, tag: Tag) -> None:
    """The tag waits no longer; one that did not is no error."""
    await tx.execute(sa.delete(held_tags).where(held_tags.c.repository == str(repository), held_tags.c.tag == str(tag)))
