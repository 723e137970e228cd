"""`imagegate audit list`: who did what, from where, and what the gate answered."""

import asyncio
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated, Any

import typer

from config.settings import Settings
from proxy.cli.gate_options import GateCommand, asked_gate
from proxy.cli.local_database import open_database
from proxy.cli.output import print_list
from proxy.cli.session import settings_for
from scanning.oci.names import Repository
from storage import audit
from storage.audit import Event, as_document

_MOST_AT_ONCE = 1000


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    commands = typer.Typer(help="The audit trail.", no_args_is_help=True)
    commands.command("list", cls=GateCommand)(_list)
    app.add_typer(commands, name="audit")


def _list(
    context: typer.Context,
    repository: Annotated[str, typer.Option(help="Only about this repository.")] = "",
    event: Annotated[Event | None, typer.Option(help="Only this kind of event.")] = None,
    actor: Annotated[str, typer.Option(help="Only what this one did: the name of a token or of a person.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many, newest first.")] = 30,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, whole.")] = False,
) -> None:
    """List the newest records; an admin of some repositories asks a gate over HTTP for one of those."""
    wanted = Repository(repository) if repository else None
    if client := asked_gate(context):
        asked = {"repository": repository, "event": event or "", "actor": actor}
        found = asyncio.run(client.listed("/api/v1/audit", "records", asked, limit, at_once=_MOST_AT_ONCE))
    else:
        found = asyncio.run(_newest(settings_for(context), wanted, event, actor, limit))
    headings = ("at (UTC)", "event", "who", "from", "what", "outcome", "verdict")
    print_list(found, headings, _cells, "No records yet.", as_json=as_json)


def _cells(record: Mapping[str, Any]) -> Iterable[str]:
    yield f"{datetime.fromisoformat(record['at']):%Y-%m-%d %H:%M:%S}"
    yield record["event"]
    yield record["actor"]
    yield record["address"]
    yield f"{record['repository']} {record['reference']}".strip() or record["detail"]
    yield record["outcome"] + (f" ({record['times']} times)" if record["times"] > 1 else "")
    yield record["verdict"]


async def _newest(
    settings: Settings, repository: Repository | None, event: Event | None, actor: str, limit: int
) -> tuple[Mapping[str, Any], ...]:
    async with open_database(settings) as database, database.snapshot() as tx:
        found = await audit.newest(tx, event=event, repository=repository, actor=actor, limit=limit)
    return tuple(as_document(*one) for one in found)
