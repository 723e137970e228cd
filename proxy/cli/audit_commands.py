"""`imagegate audit list`: who did what, from where, and what the gate answered."""

import asyncio
import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table

from config.settings import Settings
from proxy.cli.local_database import open_database
from proxy.cli.output import console, printable
from proxy.cli.session import settings_for
from scanning.oci.names import Repository
from storage import audit
from storage.audit import AuditRecord, Event


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    commands = typer.Typer(help="The audit trail.", no_args_is_help=True)
    commands.command("list")(_list)
    app.add_typer(commands, name="audit")


def _list(
    context: typer.Context,
    repository: Annotated[str, typer.Option(help="Only about this repository.")] = "",
    event: Annotated[Event | None, typer.Option(help="Only this kind of event.")] = None,
    actor: Annotated[str, typer.Option(help="Only what this one did: the name of a token or of a person.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many, newest first.")] = 30,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, whole.")] = False,
) -> None:
    """List the newest records."""
    wanted = Repository(repository) if repository else None
    found = asyncio.run(_newest(settings_for(context), wanted, event, actor, limit))
    if as_json:
        for number, record in found:
            typer.echo(json.dumps({"number": number, **asdict(record)}, default=str))
        return
    table = Table("at (UTC)", "event", "who", "from", "what", "outcome", "verdict", box=None, pad_edge=False)
    for _, record in found:
        what = f"{record.repository} {record.reference}".strip() or record.detail
        often = f" ({record.times} times)" if record.times > 1 else ""
        table.add_row(
            f"{record.at:%Y-%m-%d %H:%M:%S}",
            record.event,
            printable(record.actor),
            record.address,
            printable(what),
            record.outcome + often,
            record.verdict,
        )
    console().print(table if found else "No records yet.")


async def _newest(
    settings: Settings, repository: Repository | None, event: Event | None, actor: str, limit: int
) -> tuple[tuple[int, AuditRecord], ...]:
    async with open_database(settings) as database, database.snapshot() as tx:
        return await audit.newest(tx, event=event, repository=repository, actor=actor, limit=limit)
