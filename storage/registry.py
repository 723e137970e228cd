"""The embedded registry's index: which repository holds which blobs, manifests and tags.

The bytes of blobs lie in the content store, shared by all repositories. Linking and unlinking a blob wait for each
other, so that whoever unlinks the last can delete the bytes inside the same transaction.
"""

import sqlalchemy as sa

from scanning.oci.digest import Digest
from scanning.oci.names import Repository, Tag
from storage.database import Transaction
from storage.locks import serialise
from storage.schema import registry_blobs, registry_manifests, registry_tags
from storage.upsert import insert


async def link_blob(tx: Transaction, repository: Repository, digest: Digest, size: int) -> None:
    """Let a repository hold a blob of `size` bytes; again is no error."""
    await serialise(tx, f"blob {digest}")
    await tx.execute(
        insert(tx, registry_blobs)
        .values(repository=str(repository), digest=str(digest), size=size)
        .on_conflict_do_nothing()
    )


async def blob_size(tx: Transaction, repository: Repository, digest: Digest) -> int | None:
    """The size in bytes of a blob that the repository holds."""
    size: int | None = await tx.scalar(
        sa.select(registry_blobs.c.size).where(
            registry_blobs.c.repository == str(repository), registry_blobs.c.digest == str(digest)
        )
    )
    return size


async def unlink_blob(tx: Transaction, repository: Repository, digest: Digest) -> bool:
    """Let a repository hold a blob no more; False if it did not."""
    await serialise(tx, f"blob {digest}")
    gone = await tx.execute(
        sa.delete(registry_blobs).where(
            registry_blobs.c.repository == str(repository), registry_blobs.c.digest == str(digest)
        )
    )
    return gone.rowcount > 0


async def blob_is_linked(tx: Transaction, digest: Digest) -> bool:
    """Whether any repository holds the blob."""
    return bool(await tx.scalar(sa.select(sa.exists().where(registry_blobs.c.digest == str(digest)))))


async def put_manifest(
    tx: Transaction,
    repository: Repository,
    digest: Digest,
    media_type: str,
    body: bytes,
    *,
    subject: Digest | None = None,
) -> None:
    """Keep a manifest; again is no error, and the media type said last holds."""
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


async def delete_manifest(tx: Transaction, repository: Repository, digest: Digest) -> bool:
    """Remove a manifest and the tags that point at it; False if it is not there."""
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
