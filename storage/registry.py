"""The embedded registry's index: which repository holds which blobs, manifests and tags.

The bytes of blobs lie in the content store, shared by all repositories. Linking and unlinking a blob wait for each
other, so that whoever unlinks the last can delete the bytes inside the same transaction. A manifest is put, and blobs
that none refers to are unlinked, one after the other in a repository.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from scanning.oci.digest import Digest
from scanning.oci.names import Repository, Tag
from storage.batches import batches
from storage.database import Transaction
from storage.locks import serialise
from storage.schema import (
    manifest_blobs,
    registry_blobs,
    registry_manifest_blobs,
    registry_manifests,
    registry_tags,
)
from storage.upsert import insert

_AT_ONCE = 1000
"""Values in one query: databases take some ten thousand, and a manifest can name more blobs."""


@dataclass(frozen=True, slots=True)
class LinkedBlob:
    """A blob that a repository holds: `size` in bytes, and when somebody last counted on it."""

    repository: Repository
    digest: Digest
    size: int
    used_at: datetime


async def lock_blob(tx: Transaction, digest: Digest) -> None:
    """Let nobody else link or unlink the blob before the transaction ends."""
    await serialise(tx, f"blob {digest}")


async def link_blob(tx: Transaction, repository: Repository, digest: Digest, size: int, now: datetime) -> None:
    """Let a repository hold a blob of `size` bytes, used `now`; again is no error."""
    await lock_blob(tx, digest)
    await tx.execute(
        insert(tx, registry_blobs)
        .values(repository=str(repository), digest=str(digest), size=size, used_at=now)
        .on_conflict_do_update(index_elements=list(registry_blobs.primary_key), set_={"used_at": now})
    )


async def find_blob(tx: Transaction, repository: Repository, digest: Digest) -> LinkedBlob | None:
    """A blob that the repository holds."""
    row = (
        await tx.execute(
            sa.select(registry_blobs).where(
                registry_blobs.c.repository == str(repository), registry_blobs.c.digest == str(digest)
            )
        )
    ).one_or_none()
    return None if row is None else LinkedBlob(repository, digest, row.size, row.used_at)


async def use_blob(tx: Transaction, repository: Repository, digest: Digest, now: datetime) -> bool:
    """Somebody counts on a blob `now`; False if the repository does not hold it."""
    used = await tx.execute(
        sa.update(registry_blobs)
        .where(registry_blobs.c.repository == str(repository), registry_blobs.c.digest == str(digest))
        .values(used_at=now)
    )
    return used.rowcount > 0


async def unlink_blob(tx: Transaction, repository: Repository, digest: Digest) -> bool:
    """Let a repository hold a blob no more; False if it did not."""
    await lock_blob(tx, digest)
    gone = await tx.execute(
        sa.delete(registry_blobs).where(
            registry_blobs.c.repository == str(repository), registry_blobs.c.digest == str(digest)
        )
    )
    return gone.rowcount > 0


async def blob_is_linked(tx: Transaction, digest: Digest) -> bool:
    """Whether any repository holds the blob."""
    return bool(await tx.scalar(sa.select(sa.exists().where(registry_blobs.c.digest == str(digest)))))


async def link_counts(tx: Transaction, digests: Collection[Digest]) -> Mapping[Digest, int]:
    """How many repositories hold each of `digests`; one that none holds is left out."""
    counts: dict[Digest, int] = {}
    for names in batches([str(digest) for digest in digests], _AT_ONCE):
        rows = await tx.execute(
            sa.select(registry_blobs.c.digest, sa.func.count())
            .where(registry_blobs.c.digest.in_(names))
            .group_by(registry_blobs.c.digest)
        )
        counts |= {Digest.parse(digest): count for digest, count in rows}
    return counts


async def unused_blobs(tx: Transaction, before: datetime) -> tuple[LinkedBlob, ...]:
    """The blobs that nobody has counted on since `before`, and that no manifest of their repository refers to.

    That is a manifest of the registry, or one that the gate alone holds.
    """
    rows = await tx.execute(sa.select(registry_blobs).where(_is_unused(before)))
    return tuple(_linked(row) for row in rows)


async def unlink_unused(tx: Transaction, repository: Repository, before: datetime) -> tuple[LinkedBlob, ...]:
    """Let a repository hold its `unused_blobs` no more; gives them.

    A manifest that is being put is waited for, and what it refers to is found to be used.
    """
    await _lock_manifests(tx, repository)
    rows = await tx.execute(
        sa.delete(registry_blobs)
        .where(registry_blobs.c.repository == str(repository), _is_unused(before))
        .returning(*registry_blobs.c)
    )
    return tuple(_linked(row) for row in rows)


async def bytes_held(tx: Transaction) -> Mapping[Repository, int]:
    """How many bytes of blobs each repository holds. What two hold counts for both."""
    rows = await tx.execute(
        sa.select(registry_blobs.c.repository, sa.func.sum(registry_blobs.c.size)).group_by(registry_blobs.c.repository)
    )
    return {Repository(name): int(size) for name, size in rows}


def _is_unused(before: datetime) -> sa.ColumnElement[bool]:
    def is_named_in(edges: sa.Table) -> sa.ColumnElement[bool]:
        return sa.exists().where(
            edges.c.repository == registry_blobs.c.repository, edges.c.blob == registry_blobs.c.digest
        )

    return sa.and_(
        registry_blobs.c.used_at < before,
        sa.not_(is_named_in(registry_manifest_blobs)),
        sa.not_(is_named_in(manifest_blobs)),
    )


def _linked(row: sa.Row[*tuple[Any, ...]]) -> LinkedBlob:
    return LinkedBlob(Repository(row.repository), Digest.parse(row.digest), row.size, row.used_at)


async def _lock_manifests(tx: Transaction, repository: Repository) -> None:
    await serialise(tx, f"manifests {repository}")


async def missing_blobs(tx: Transaction, repository: Repository, digests: Sequence[Digest]) -> tuple[Digest, ...]:
    """Those of `digests` that the repository does not hold. They stay as they are until the transaction ends, as far
    as `unlink_unused` goes.
    """
    await _lock_manifests(tx, repository)
    held: set[str] = set()
    for names in batches([str(digest) for digest in digests], _AT_ONCE):
        held |= set(
            await tx.scalars(
                sa.select(registry_blobs.c.digest).where(
                    registry_blobs.c.repository == str(repository), registry_blobs.c.digest.in_(names)
                )
            )
        )
    return tuple(digest for digest in digests if str(digest) not in held)


async def put_manifest(
    tx: Transaction,
    repository: Repository,
    digest: Digest,
    media_type: str,
    body: bytes,
    *,
    blobs: Iterable[Digest] = (),
    subject: Digest | None = None,
) -> None:
    """Keep a manifest that refers to `blobs`; again is no error, and the media type said last holds."""
    await _lock_manifests(tx, repository)
    await tx.execute(
        insert(tx, registry_manifests)
        .values(
            repository=str(repository),
            digest=str(digest),
            media_type=media_type,
            body=body,
            subject=str(subject) if subject else None,
        )
        .on_conflict_do_update(index_elements=list(registry_manifests.primary_key), set_={"media_type": media_type})
    )
    edges = [{"repository": str(repository), "manifest": str(digest), "blob": str(blob)} for blob in blobs]
    if edges:
        await tx.execute(insert(tx, registry_manifest_blobs).on_conflict_do_nothing(), edges)


async def get_manifest(tx: Transaction, repository: Repository, digest: Digest) -> tuple[str, bytes] | None:
    """A manifest's media type and bytes."""
    row = (
        await tx.execute(
            sa.select(registry_manifests.c.media_type, registry_manifests.c.body).where(
                registry_manifests.c.repository == str(repository), registry_manifests.c.digest == str(digest)
            )
        )
    ).one_or_none()
    return None if row is None else (row.media_type, row.body)


async def delete_manifest(tx: Transaction, repository: Repository, digest: Digest, now: datetime) -> bool:
    """Remove a manifest and the tags that point at it; False if it is not there. Its blobs were used until `now`."""
    await _lock_manifests(tx, repository)
    edges = registry_manifest_blobs.c
    await tx.execute(
        sa.update(registry_blobs)
        .where(
            registry_blobs.c.repository == str(repository),
            registry_blobs.c.digest.in_(
                sa.select(edges.blob).where(edges.repository == str(repository), edges.manifest == str(digest))
            ),
        )
        .values(used_at=now)
    )
    gone = await tx.execute(
        sa.delete(registry_manifests).where(
            registry_manifests.c.repository == str(repository), registry_manifests.c.digest == str(digest)
        )
    )
    return gone.rowcount > 0


async def referrers(tx: Transaction, repository: Repository, subject: Digest) -> tuple[tuple[Digest, str, bytes], ...]:
    """The manifests whose subject is `subject`: digest, media type and bytes, in the order of the digests."""
    rows = await tx.execute(
        sa.select(registry_manifests.c.digest, registry_manifests.c.media_type, registry_manifests.c.body).where(
            registry_manifests.c.repository == str(repository), registry_manifests.c.subject == str(subject)
        )
    )
    return tuple(sorted((Digest.parse(digest), media_type, body) for digest, media_type, body in rows))


async def put_tag(tx: Transaction, repository: Repository, tag: Tag, digest: Digest) -> None:
    """Point a tag at a manifest that the repository has."""
    await tx.execute(
        insert(tx, registry_tags)
        .values(repository=str(repository), tag=str(tag), digest=str(digest))
        .on_conflict_do_update(index_elements=list(registry_tags.primary_key), set_={"digest": str(digest)})
    )


async def tag_digest(tx: Transaction, repository: Repository, tag: Tag) -> Digest | None:
    """What a tag points at."""
    found = await tx.scalar(
        sa.select(registry_tags.c.digest).where(
            registry_tags.c.repository == str(repository), registry_tags.c.tag == str(tag)
        )
    )
    return None if found is None else Digest.parse(found)


async def delete_tag(tx: Transaction, repository: Repository, tag: Tag) -> bool:
    """Remove a tag, not what it points at; False if it is not there."""
    gone = await tx.execute(
        sa.delete(registry_tags).where(registry_tags.c.repository == str(repository), registry_tags.c.tag == str(tag))
    )
    return gone.rowcount > 0


async def tags(tx: Transaction, repository: Repository) -> tuple[Tag, ...]:
    """A repository's tags, in lexical order."""
    names = await tx.scalars(sa.select(registry_tags.c.tag).where(registry_tags.c.repository == str(repository)))
    return tuple(sorted(map(Tag, names)))


async def repositories(tx: Transaction) -> tuple[Repository, ...]:
    """The repositories that hold a manifest, in lexical order."""
    names = await tx.scalars(sa.select(registry_manifests.c.repository).distinct())
    return tuple(sorted(map(Repository, names)))
