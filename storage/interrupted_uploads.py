"""Where uploads to remote registries stand whose last chunk broke off, so that any replica can go on with them.

Of every other upload its own address says that. A registry can call an upload by another address after each chunk, and
the client was not told the one that came after a chunk it did not finish.
"""

from datetime import datetime, timedelta

import sqlalchemy as sa

from scanning.oci.digest import Digest
from storage.database import Transaction
from storage.schema import interrupted_uploads
from storage.upsert import insert

_KEPT = timedelta(days=2)
"""Longer than an upload may last."""


async def note(tx: Transaction, upload: str, state: str, offset: int, now: datetime) -> None:
    """Remember that the upload whose address begins with `upload` stands at `offset`, and is called `state`."""
    await tx.execute(sa.delete(interrupted_uploads).where(interrupted_uploads.c.noted_at < now - _KEPT))
    stands = {"state": state, "offset": offset, "noted_at": now}
    await tx.execute(
        insert(tx, interrupted_uploads)
        .values(upload=_name(upload), **stands)
        .on_conflict_do_update(index_elements=list(interrupted_uploads.primary_key), set_=stands)
    )


async def find(tx: Transaction, upload: str) -> tuple[str, int] | None:
    """The state and the offset noted last; None if no chunk broke off."""
    row = (
        await tx.execute(
            sa.select(interrupted_uploads.c.state, interrupted_uploads.c.offset).where(
                interrupted_uploads.c.upload == _name(upload)
            )
        )
    ).one_or_none()
    return None if row is None else (row.state, row.offset)


def _name(upload: str) -> str:
    """Addresses can be of any length."""
    return str(Digest.of(upload.encode()))
