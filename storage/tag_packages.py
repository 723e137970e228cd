"""The packages that each tag has had, as a document, so that none of them goes back unnoticed."""

import sqlalchemy as sa

from scanning.documents import decode, encode
from scanning.downgrades import FormerPackages
from scanning.errors import InvalidContentError
from scanning.oci.digest import Digest
from scanning.oci.names import Repository, Tag
from storage import documents
from storage.database import Transaction
from storage.errors import StorageError
from storage.schema import tag_packages
from storage.upsert import insert


async def put(tx: Transaction, repository: Repository, packages: FormerPackages, position: int) -> None:
    """Remember what a tag has had, up to `position` of its history."""
    known = {"packages": str(await documents.put(tx, encode(packages))), "position": position}
    await tx.execute(
        insert(tx, tag_packages)
        .values(repository=str(repository), tag=packages.tag, **known)
        .on_conflict_do_update(index_elements=list(tag_packages.primary_key), set_=known)
    )


async def of(tx: Transaction, repository: Repository, tag: Tag) -> tuple[FormerPackages, int]:
    """What a tag has had, and how far of its history is in it: nothing, and 0, where nothing was remembered.

    Raises `StorageError` if it cannot be read any more.
    """
    row = (await tx.execute(sa.select(tag_packages).where(*_is(repository, tag)))).one_or_none()
    if row is None:
        return FormerPackages(tag.name), 0
    document = await documents.get(tx, Digest.parse(row.packages))
    try:
        if document is None:
            raise StorageError(f"document {row.packages}, the packages of {repository}:{tag}, is not there")
        return decode(FormerPackages, document), row.position
    except InvalidContentError as error:
        raise StorageError(f"the packages of {repository}:{tag} were written by another version") from error


async def forget(tx: Transaction, repository: Repository, tag: Tag) -> None:
    """The tag was deleted: whatever is pushed under it next is its first."""
    await tx.execute(sa.delete(tag_packages).where(*_is(repository, tag)))


def _is(repository: Repository, tag: Tag) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    return tag_packages.c.repository == str(repository), tag_packages.c.tag == str(tag)
