"""How many records there are of repositories: a manifest is one, and so is a tag that was pushed through the gate."""

import sqlalchemy as sa

from scanning.oci.names import Repository
from storage.database import Transaction
from storage.schema import held_tags, manifests, tag_history


async def of_repository(tx: Transaction, repository: Repository) -> int:
    """How many there are of one repository."""
    return (await _counts(tx, repository)).get(repository, 0)


async def of_all(tx: Transaction) -> dict[Repository, int]:
    """How many there are of every repository that has any. Reads the indexes of all once."""
    return await _counts(tx, None)


async def _counts(tx: Transaction, repository: Repository | None) -> dict[Repository, int]:
    tags = sa.union(
        sa.select(tag_history.c.repository, tag_history.c.tag).where(*_is(tag_history, repository)),
        sa.select(held_tags.c.repository, held_tags.c.tag).where(*_is(held_tags, repository)),
    ).subquery()
    found: dict[Repository, int] = {}
    for table, where in ((manifests, _is(manifests, repository)), (tags, ())):
        rows = await tx.execute(
            sa.select(table.c.repository, sa.func.count()).where(*where).group_by(table.c.repository)
        )
        for name, count in rows:
            found[Repository(name)] = found.get(Repository(name), 0) + count
    return found


def _is(table: sa.Table, repository: Repository | None) -> tuple[sa.ColumnElement[bool], ...]:
    return () if repository is None else (table.c.repository == str(repository),)
