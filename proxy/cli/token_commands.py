"""`imagegate token create|list|revoke`: who may use the gate."""

import asyncio
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import quote

import typer

from config.durations import end_after, parse_duration
from config.patterns import RepositoryPattern
from config.settings import Settings
from proxy.cli.gate_options import GateCommand, asked_gate, at_gate, at_its_address
from proxy.cli.local_database import open_database
from proxy.cli.output import command_line, complain, minute, print_list, printable
from proxy.cli.session import administrator, settings_for
from proxy.clock import utc_now
from proxy.identity import tokens
from proxy.identity.principal import Role
from proxy.identity.tokens import NewGrant, as_document
from storage import grants
from storage.grants import GrantState

_PATH = "/api/v1/tokens"


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    commands = typer.Typer(help="Access tokens: who may push and pull.", no_args_is_help=True)
    commands.command("create", cls=GateCommand)(_create)
    commands.command("list", cls=GateCommand)(_list)
    commands.command("revoke", cls=GateCommand)(_revoke)
    app.add_typer(commands, name="token")


def _create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="What it is for, such as ci-team-a.", metavar="NAME")],
    role: Annotated[
        Role,
        typer.Option(
            help="admin: everything; developer: push and pull; creator: the same, but move no tag; operator: pull what"
            " is vetted."
        ),
    ] = Role.OPERATOR,
    repository: Annotated[
        list[str] | None, typer.Option(help="A pattern of repositories, such as team/**; may be repeated.")
    ] = None,
    expires: Annotated[str, typer.Option(help="How long it lives, such as 90d or 12h; empty: until revoked.")] = "",
) -> None:
    """Make a token. It is printed once, on standard output, and kept nowhere."""
    now = utc_now()
    if not name.strip():
        raise typer.BadParameter("say what the token is for; the audit names it so", param_hint="NAME")
    patterns = tuple(RepositoryPattern(text) for text in (repository or ["**"]))
    new = NewGrant(name, role, patterns, _end(expires, now) if expires else None)
    if client := asked_gate(context):
        made = asyncio.run(client.send("POST", _PATH, _as_wish(new, expires))).read("id", "token")
    else:
        settings = settings_for(context)
        if not settings.has_database:
            typer.echo(
                f"No gate has run in {settings.state_dir} yet; the one that starts there knows this token.", err=True
            )
        made = asyncio.run(_make(settings, new, now))
    until = f", until {minute(made['expires_at'])} UTC" if made["expires_at"] else ""
    revoke = f"{command_line(context)} token revoke {made['id']}{at_gate(context)}"
    typer.echo(printable(f"{made['role']} on {', '.join(made['repositories'])}{until}; revoke: {revoke}"), err=True)
    typer.echo(printable(made["token"]))


def _list(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """List tokens, newest first. Secrets are not kept, so they cannot be shown."""
    if client := asked_gate(context):
        found = asyncio.run(client.listed(_PATH, "tokens", {}))
    else:
        found = asyncio.run(_all(settings_for(context), utc_now()))
    headings = ("id", "name", "role", "repositories", "created (UTC)", "by", "used (UTC)", "state")
    print_list(found, headings, _cells, "No tokens yet: imagegate token create NAME", as_json=as_json)


def _cells(grant: Mapping[str, Any]) -> Iterable[str]:
    yield grant["id"]
    yield grant["name"]
    yield grant["role"]
    yield " ".join(grant["repositories"])
    yield minute(grant["created_at"])
    yield grant["created_by"]
    yield minute(grant["last_used_at"]) if grant["last_used_at"] else "never"
    yield _state(grant)


def _revoke(
    context: typer.Context,
    token_id: Annotated[str, typer.Argument(metavar="ID", help="The id token list shows.")],
) -> None:
    """End a token. It is refused everywhere within 5 seconds."""
    if client := asked_gate(context):
        asyncio.run(client.delete(f"{_PATH}/{quote(token_id, safe='')}"))
    elif not asyncio.run(_revoked(settings_for(context), token_id)):
        complain(f"There is no live token {token_id}; imagegate token list shows them.")
        raise typer.Exit(1)
    typer.echo(
        printable(f"Token {token_id} is revoked{at_its_address(context)}; it is refused everywhere within 5 seconds.")
    )


def _end(expires: str, now: datetime) -> datetime:
    try:
        end = end_after(now, parse_duration(expires))
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--expires") from error
    if end <= now:
        raise typer.BadParameter("a token that has ended already is of no use", param_hint="--expires")
    return end


def _state(grant: Mapping[str, Any]) -> str:
    state, since = grant["state"], grant["revoked_at"] or grant["expires_at"]
    return f"{'until' if state == GrantState.LIVE else state} {minute(since)}" if since else state


def _as_wish(new: NewGrant, expires: str) -> dict[str, Any]:
    """What the API is asked for. The gate's clock says when it ends."""
    wish = {"name": new.name, "role": new.role, "repositories": list(map(str, new.repositories))}
    return wish | ({"expires": expires} if expires else {})


async def _make(settings: Settings, new: NewGrant, now: datetime) -> dict[str, Any]:
    async with open_database(settings, may_be_new=True) as database:
        grant, token = await tokens.create(database, new, administrator(), now)
        return as_document(grant, now) | {"token": token.text}


async def _all(settings: Settings, now: datetime) -> tuple[Mapping[str, Any], ...]:
    async with open_database(settings) as database, database.snapshot() as tx:
        found = await grants.list_all(tx)
    return tuple(as_document(one, now) for one in sorted(found, key=lambda grant: grant.created_at, reverse=True))


async def _revoked(settings: Settings, token_id: str) -> bool:
    async with open_database(settings) as database:
        return await tokens.revoke(database, token_id, administrator(), utc_now())
