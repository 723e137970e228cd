"""`imagegate waiver create|list|end`: exceptions beside the policy file."""

import asyncio
import json
from datetime import datetime
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.table import Table

from config.durations import end_after, parse_duration
from config.policy import Waiver
from config.settings import Settings
from config.vocabulary import ToolKind
from proxy.cli.local_database import open_database
from proxy.cli.output import command_line, console, printable
from proxy.cli.session import administrator, settings_for
from proxy.clock import utc_now
from proxy.gate import waiving
from storage import waivers
from storage.waivers import WaiverRecord


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    commands = typer.Typer(help="Exceptions beside the policy: what is accepted for a while.", no_args_is_help=True)
    commands.command("create")(_create)
    commands.command("list")(_list)
    commands.command("end")(_end)
    app.add_typer(commands, name="waiver")


def _create(
    context: typer.Context,
    repository: Annotated[list[str], typer.Option(help="A pattern of repositories; may be repeated.")],
    reason: Annotated[str, typer.Option(help="Why, for the audit.")],
    expires: Annotated[str, typer.Option(help="When it ends: after a time such as 30d, or at 2027-01-31T00:00:00Z.")],
    finding: Annotated[
        list[str] | None, typer.Option(help="An advisory or CVE that is accepted; may be repeated.")
    ] = None,
    package: Annotated[
        list[str] | None, typer.Option(help="A pattern of packages that are accepted, such as pkg:deb/debian/openssl.")
    ] = None,
    tool: Annotated[list[ToolKind] | None, typer.Option(help="A kind of tools that is accepted.")] = None,
    digest: Annotated[str, typer.Option(help="Only for this manifest, sha256:….")] = "",
) -> None:
    """Make an exception. A running gate takes it up within a second, and judges again what is held."""
    now, by = utc_now(), administrator()
    try:
        waiver = Waiver.model_validate(
            {
                "repositories": tuple(repository),
                "findings": tuple(finding or ()),
                "packages": tuple(package or ()),
                "tools": tuple(tool or ()),
                "digest": digest,
                "reason": reason,
                "author": by.name,
                "expires": _moment(expires, now),
            }
        )
    except ValidationError as error:
        first = error.errors()[0]
        place = str(first["loc"][0]) if first["loc"] else ""
        raise typer.BadParameter(first["msg"], param_hint=f"--{place}" if place else None) from error
    record = asyncio.run(_made(settings_for(context), waiver, now))
    typer.echo(
        f"Accepted until {record.waiver.expires:%Y-%m-%d %H:%M} UTC;"
        f" end it: {command_line(context)} waiver end {record.waiver.id}"
    )


def _list(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """List the exceptions on record, the newest first, those that have ended too. Others stand in the policy file."""
    now = utc_now()
    found = asyncio.run(_all(settings_for(context)))
    if as_json:
        for record in found:
            typer.echo(json.dumps(_as_json(record, now)))
        return
    table = Table("id", "accepted", "for", "author", "reason", "made (UTC)", "by", "state", box=None, pad_edge=False)
    for record in found:
        waiver = record.waiver
        cells = (
            waiver.id,
            " ".join(waiver.covered),
            " ".join([*map(str, waiver.repositories), *([waiver.digest] if waiver.digest else [])]),
            waiver.author,
            waiver.reason,
            f"{record.created_at:%Y-%m-%d %H:%M}",
            record.created_by,
            _state(record, now),
        )
        table.add_row(*map(printable, cells))
    none = "No exceptions on record; those of the policy stand in its file."
    console().print(table if found else none)


def _end(
    context: typer.Context, waiver_id: Annotated[str, typer.Argument(metavar="ID", help="The id waiver list shows.")]
) -> None:
    """End an exception. What rests on it is judged again."""
    asyncio.run(_ended(settings_for(context), waiver_id))
    typer.echo(f"Exception {waiver_id} has ended; a running gate takes that up within a second.")


def _moment(text: str, now: datetime) -> datetime:
    try:
        return datetime.fromisoformat(text) if "-" in text else end_after(now, parse_duration(text))
    except ValueError as error:
        said = "write a length of time such as 30d, or a moment such as 2027-01-31T00:00:00Z"
        raise typer.BadParameter(said, param_hint="--expires") from error


def _state(record: WaiverRecord, now: datetime) -> str:
    if record.ended_at is not None:
        return f"ended {record.ended_at:%Y-%m-%d %H:%M}"
    return f"{'until' if record.holds(now) else 'expired'} {record.waiver.expires:%Y-%m-%d %H:%M}"


def _as_json(record: WaiverRecord, now: datetime) -> dict[str, object]:
    return record.waiver.model_dump(mode="json") | waiving.history(record, now)


async def _made(settings: Settings, waiver: Waiver, now: datetime) -> WaiverRecord:
    async with open_database(settings) as database:
        return await waiving.waive(database, waiver, administrator(), now)


async def _all(settings: Settings) -> tuple[WaiverRecord, ...]:
    async with open_database(settings) as database, database.snapshot() as tx:
        return await waivers.list_all(tx)


async def _ended(settings: Settings, waiver_id: str) -> WaiverRecord:
    async with open_database(settings) as database:
        return await waiving.end(database, waiver_id, administrator(), utc_now())
