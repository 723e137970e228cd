"""Base images and packages that an admin approved. A revoked approval stays on record and counts for nothing."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from config.patterns import RepositoryPattern
from scanning.approvals import Approval, ApprovalKind, Approvals, read_approvals, read_list, write_list
from scanning.errors import InvalidContentError
from scanning.oci.digest import Digest
from storage import documents
from storage.database import Transaction
from storage.errors import StorageError
from storage.schema import approvals


@dataclass(frozen=True, slots=True)
class ApprovalRecord:
    """An approval, and who answers for it. `owner` is whom to ask, `approved_by` who typed it."""

    approval: Approval
    owner: str
    reason: str
    approved_at: datetime
    approved_by: str
    revoked_at: datetime | None = None
    revoked_by: str = ""


Stamp = tuple[int, int]
"""Changes with every approval and every revocation."""


async def add(tx: Transaction, record: ApprovalRecord, content: bytes) -> None:
    """Record an approval and its content."""
    approval = record.approval
    await documents.put(tx, content)
    await tx.execute(
        sa.insert(approvals).values(
            id=approval.id,
            kind=approval.kind,
            name=approval.name,
            repositories=[str(pattern) for pattern in approval.repositories],
            content=str(approval.content),
            owner=record.owner,
            reason=record.reason,
            approved_at=record.approved_at,
            approved_by=record.approved_by,
            revoked_at=record.revoked_at,
            revoked_by=record.revoked_by,
        )
    )


async def revoke(tx: Transaction, approval_id: str, by: str, now: datetime) -> bool:
    """End an approval; False if there is none, or it was revoked before."""
    done = await tx.execute(
        sa.update(approvals)
        .where(approvals.c.id == approval_id, approvals.c.revoked_at.is_(None))
        .values(revoked_at=now, revoked_by=by)
    )
    return done.rowcount > 0


async def get(tx: Transaction, approval_id: str) -> ApprovalRecord | None:
    """An approval by its id, revoked or not."""
    row = (await tx.execute(sa.select(approvals).where(approvals.c.id == approval_id))).one_or_none()
    return None if row is None else _record(row)


async def list_all(tx: Transaction, kind: ApprovalKind | None = None) -> tuple[ApprovalRecord, ...]:
    """Every approval that ever was, of one kind or of both, the newest first."""
    query = sa.select(approvals).order_by(approvals.c.approved_at.desc(), approvals.c.id)
    if kind is not None:
        query = query.where(approvals.c.kind == kind)
    return tuple(map(_record, await tx.execute(query)))


async def stamp(tx: Transaction) -> Stamp:
    """What tells whether anything was approved or revoked since."""
    counted = sa.select(sa.func.count(), sa.func.count(approvals.c.revoked_at)).select_from(approvals)
    made, revoked = (await tx.execute(counted)).one()
    return made, revoked


async def in_force(tx: Transaction) -> Approvals:
    """Everything that is approved and not revoked. Raises `StorageError` where its content is gone."""
    rows = await tx.execute(sa.select(approvals).where(approvals.c.revoked_at.is_(None)))
    return await _with_content(tx, write_list(_record(row).approval for row in rows))


async def named(tx: Transaction, digest: Digest | None) -> Approvals:
    """What was in force under `digest`, which a verdict names. Raises `StorageError` if it is not there any more."""
    return await _with_content(tx, await _document(tx, digest) if digest else b"")


async def _with_content(tx: Transaction, listed: bytes) -> Approvals:
    try:
        wanted = {approval.content for approval in read_list(listed).approvals}
        return read_approvals(listed, {digest: await _document(tx, digest) for digest in sorted(wanted)})
    except InvalidContentError as error:
        raise StorageError("an approval on record was written by another version of imagegate") from error


async def _document(tx: Transaction, digest: Digest) -> bytes:
    document = await documents.get(tx, digest)
    if document is None:
        raise StorageError(f"document {digest}, which approvals are made of, is not there; restore a backup")
    return document


def _record(row: sa.Row[*tuple[Any, ...]]) -> ApprovalRecord:
    approval = Approval(
        row.id,
        ApprovalKind(row.kind),
        row.name,
        tuple(map(RepositoryPattern, row.repositories)),
        Digest.parse(row.content),
    )
    return ApprovalRecord(
        approval, row.owner, row.reason, row.approved_at, row.approved_by, row.revoked_at, row.revoked_by
    )
