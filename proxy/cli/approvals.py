"""What approvals of every kind share at the terminal: who answers for one, where it holds, how they are listed."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any
from urllib.parse import quote

import typer

from config.patterns import RepositoryPattern
from config.settings import Settings
from proxy.cli.gate_options import asked_gate
from proxy.cli.local_database import open_database
from proxy.cli.output import command_line, minute, print_list
from proxy.cli.session import administrator, settings_for
from proxy.clock import utc_now
from proxy.gate.approving import Act, approve_packages, as_document
from proxy.gate.approving import revoke as revoke_approval
from scanning.approvals import ApprovalKind
from storage import approvals
from storage.approvals import ApprovalRecord

PATH = "/api/v1/approvals"
ReasonOption = Annotated[str, typer.Option(help="Why, for the audit.")]
OwnerOption = Annotated[str, typer.Option(help="Whom to ask about it later; else whoever types this.")]
RepositoryOption = Annotated[
    list[str] | None, typer.Option(help="Where it holds: a pattern of repositories; may be repeated.")
]


def act(reason: str, owner: str, repositories: Sequence[str]) -> Act:
    """An approval by the person at this terminal. Raises `InvalidPatternError`."""
    by = administrator()
    return Act(by, owner or by.name, reason, tuple(map(RepositoryPattern, repositories)), utc_now())


def print_approvals(context: typer.Context, kind: ApprovalKind, none: str, *, as_json: bool) -> None:
    """Print every approval of a kind, the newest first; `none` where there is not one."""
    if client := asked_gate(context):
        every = asyncio.run(client.get(PATH)).read("approvals")["approvals"]
        found = [one for one in every if one["kind"] == kind]
    else:
        found = asyncio.run(_all(settings_for(context), kind))
    headings = ("id", "of", "for", "owner", "approved (UTC)", "by", "state")
    print_list(found, headings, _cells, none, as_json=as_json)


def _cells(approval: Mapping[str, Any]) -> Iterable[str]:
    yield approval["id"]
    yield approval["name"]
    yield " ".join(approval["repositories"])
    yield approval["owner"]
    yield minute(approval["approved_at"])
    yield approval["approved_by"]
    yield f"revoked {minute(approval['revoked_at'])}" if approval["revoked_at"] else "in force"


def revoke(context: typer.Context, approval_id: str) -> str:
    """Take an approval back; of what it was. Raises `NotFoundError` if there is none in force, or
    `GateUnreachableError`.
    """
    if client := asked_gate(context):
        path = f"{PATH}/{quote(approval_id, safe='')}"
        name = asyncio.run(client.get(path)).read("name")["name"]
        asyncio.run(client.delete(path))
        return str(name)
    return asyncio.run(_revoked(settings_for(context), approval_id)).approval.name


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


async def _all(settings: Settings, kind: ApprovalKind) -> list[dict[str, Any]]:
    async with open_database(settings) as database, database.snapshot() as tx:
        return list(map(as_document, await approvals.list_all(tx, kind)))


async def _revoked(settings: Settings, approval_id: str) -> ApprovalRecord:
    async with open_database(settings) as database:
        return await revoke_approval(database, approval_id, administrator(), utc_now())
