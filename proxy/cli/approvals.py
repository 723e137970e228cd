"""What approvals of every kind share at the terminal: who answers for one, where it holds, how they are listed."""

import asyncio
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.table import Table

from config.patterns import RepositoryPattern
from config.settings import Settings
from proxy.cli.local_database import open_database
from proxy.cli.output import command_line, console, printable
from proxy.cli.session import administrator, settings_for
from proxy.clock import utc_now
from proxy.gate.approving import Act, approve_packages
from proxy.gate.approving import revoke as revoke_approval
from scanning.approvals import ApprovalKind
from scanning.documents import encode
from storage import approvals
from storage.approvals import ApprovalRecord

ReasonOption = Annotated[str, typer.Option(help="Why, for the audit.")]
OwnerOption = Annotated[str, typer.Option(help="Whom to ask about it later; else whoever types this.")]
RepositoryOption = Annotated[
    list[str] | None, typer.Option(help="Where it holds: a pattern of repositories; may be repeated.")
]


def act(reason: str, owner: str, repositories: Sequence[str]) -> Act:
    """An approval by the person at this terminal. Raises `InvalidPatternError`."""
    by = administrator()
    return Act(by, owner or by.name, reason, tuple(map(RepositoryPattern, repositories)), utc_now())


def print_list(context: typer.Context, kind: ApprovalKind, none: str, *, as_json: bool) -> None:
    """Print every approval of a kind, the newest first; `none` where there is not one."""
    found = asyncio.run(_all(settings_for(context), kind))
    if as_json:
        for record in found:
            typer.echo(encode(record).decode())
        return
    table = Table("id", "of", "for", "owner", "approved (UTC)", "by", "state", box=None, pad_edge=False)
    for record in found:
        approval = record.approval
        table.add_row(
            approval.id,
            printable(approval.name),
            " ".join(map(str, approval.repositories)),
            printable(record.owner),
            f"{record.approved_at:%Y-%m-%d %H:%M}",
            printable(record.approved_by),
            f"revoked {record.revoked_at:%Y-%m-%d %H:%M}" if record.revoked_at else "in force",
        )
    console().print(table if found else none)


def revoke(context: typer.Context, approval_id: str) -> ApprovalRecord:
    """Take an approval back. Raises `NotFoundError` if there is none in force."""
    return asyncio.run(_revoked(settings_for(context), approval_id))


def approve_after_asking(
    context: typer.Context, source: str, purls: Sequence[str], approved: Act, *, yes: bool
) -> None:
    """Approve packages if the person at the terminal agrees, or has said `yes`; else leave with exit status 1."""
    if not yes and not typer.confirm("Approve them?"):
        raise typer.Exit(1)
    record = asyncio.run(_approved(settings_for(context), source, purls, approved))
    typer.echo(f"Approved; revoke: {command_line(context)} package revoke {record.approval.id}")


async def _approved(settings: Settings, source: str, purls: Sequence[str], approved: Act) -> ApprovalRecord:
    async with open_database(settings) as database:
        return await approve_packages(database, source, purls, approved)


async def _all(settings: Settings, kind: ApprovalKind) -> tuple[ApprovalRecord, ...]:
    async with open_database(settings) as database, database.snapshot() as tx:
        return await approvals.list_all(tx, kind)


async def _revoked(settings: Settings, approval_id: str) -> ApprovalRecord:
    async with open_database(settings) as database:
        return await revoke_approval(database, approval_id, administrator(), utc_now())
