"""`imagegate waiver create|list|end`: exceptions beside the policy file."""

import asyncio
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import quote

import typer
from pydantic import ValidationError

from config.policy import Waiver
from config.settings import Settings
from config.vocabulary import ToolKind
from proxy.cli.gate_options import GateCommand, asked_gate, at_gate, at_its_address
from proxy.cli.local_database import open_database
from proxy.cli.moments import read_end
from proxy.cli.output import command_line, minute, print_list, printable
from proxy.cli.session import administrator, settings_for
from proxy.clock import utc_now
from proxy.gate import waiving
from storage import waivers

_PATH = "/api/v1/waivers"


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    commands = typer.Typer(help="Exceptions beside the policy: what is accepted for a while.", no_args_is_help=True)
    commands.command("create", cls=GateCommand)(_create)
    commands.command("list", cls=GateCommand)(_list)
    commands.command("end", cls=GateCommand)(_end)
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
                "expires": read_end(expires, now),
            }
        )
    except ValidationError as error:
        first = error.errors()[0]
        place = str(first["loc"][0]) if first["loc"] else ""
        raise typer.BadParameter(first["msg"], param_hint=f"--{place}" if place else None) from error
    if client := asked_gate(context):
        wish = waiver.model_dump(mode="json", exclude={"id", "author"})  # the gate knows whose token it is
        made = asyncio.run(client.send("POST", _PATH, wish)).read("id", "expires")
    else:
        made = asyncio.run(_made(settings_for(context), waiver, now))
    end = f"{command_line(context)} waiver end {made['id']}{at_gate(context)}"
    typer.echo(printable(f"Accepted until {minute(made['expires'])} UTC; end it: {end}"))


def _list(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """List the exceptions on record, the newest first, those that have ended too. Others stand in the policy file."""
    if client := asked_gate(context):
        found = asyncio.run(client.listed(_PATH, "waivers", {}))
    else:
        found = asyncio.run(_all(settings_for(context), utc_now()))
    headings = ("id", "accepted", "for", "author", "reason", "made (UTC)", "by", "state")
    none = "No exceptions on record; those of the policy stand in its file."
    print_list(found, headings, _cells, none, as_json=as_json)


def _cells(waiver: Mapping[str, Any]) -> Iterable[str]:
    yield waiver["id"]
    yield " ".join([*waiver["findings"], *waiver["packages"], *waiver["tools"]])
    yield " ".join([*waiver["repositories"], *([waiver["digest"]] if waiver["digest"] else [])])
    yield waiver["author"]
    yield waiver["reason"]
    yield minute(waiver["created_at"])
    yield waiver["created_by"]
    yield _state(waiver)


def _end(
    context: typer.Context,
    waiver_id: Annotated[str, typer.Argument(metavar="ID", help="The id waiver list shows.")],
) -> None:
    """End an exception. What rests on it is judged again."""
    if client := asked_gate(context):
        asyncio.run(client.delete(f"{_PATH}/{quote(waiver_id, safe='')}"))
    else:
        asyncio.run(_ended(settings_for(context), waiver_id))
    at = at_its_address(context)
    typer.echo(printable(f"Exception {waiver_id} has ended{at}; a running gate takes that up within a second."))


def _state(waiver: Mapping[str, Any]) -> str:
    if waiver["ended_at"]:
        return f"ended {minute(waiver['ended_at'])}"
    return f"{'until' if waiver['in_force'] else 'expired'} {minute(waiver['expires'])}"


async def _made(settings: Settings, waiver: Waiver, now: datetime) -> dict[str, Any]:
    async with open_database(settings) as database:
        return waiving.as_document(await waiving.waive(database, waiver, administrator(), now), now)


async def _all(settings: Settings, now: datetime) -> tuple[Mapping[str, Any], ...]:
    async with open_database(settings) as database, database.snapshot() as tx:
        return tuple(waiving.as_document(record, now) for record in await waivers.list_all(tx))


async def _ended(settings: Settings, waiver_id: str) -> None:
    async with open_database(settings) as database:
        await waiving.end(database, waiver_id, administrator(), utc_now())
