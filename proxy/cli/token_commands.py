"""`imagegate token create|list|revoke`: who may use the gate."""

import asyncio
import json
from dataclasses import asdict
from datetime import datetime
from typing import Annotated

import typer
from rich.table import Table

from config.durations import end_after, parse_duration
from config.patterns import RepositoryPattern
from config.settings import Settings
from proxy.cli.local_database import open_database
from proxy.cli.output import command_line, complain, console, printable
from proxy.cli.session import administrator, settings_for
from proxy.clock import utc_now
from proxy.identity import tokens
from proxy.identity.principal import Role
from proxy.identity.tokens import NewGrant, OpaqueToken
from storage import grants
from storage.grants import Grant, GrantState


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    commands = typer.Typer(help="Access tokens: who may push and pull.", no_args_is_help=True)
    commands.command("create")(_create)
    commands.command("list")(_list)
    commands.command("revoke")(_revoke)
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
    settings = settings_for(context)
    is_new = not settings.has_database
    grant, token = asyncio.run(_make(settings, new, now))
    if is_new:
        typer.echo(
            f"No gate has run in {settings.state_dir} yet; the one that starts there knows this token.", err=True
        )
    until = f", until {grant.expires_at:%Y-%m-%d %H:%M} UTC" if grant.expires_at else ""
    revoke = f"{command_line(context)} token revoke {grant.id}"
    typer.echo(f"{grant.role} on {', '.join(grant.repositories)}{until}; revoke: {revoke}", err=True)
    typer.echo(token.text)


def _list(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """List tokens, newest first. Secrets are not kept, so they cannot be shown."""
    now = utc_now()
    found = sorted(asyncio.run(_all(settings_for(context))), key=lambda grant: grant.created_at, reverse=True)
    if as_json:
        for grant in found:
            typer.echo(
                json.dumps(
                    {name: value for name, value in asdict(grant).items() if name != "secret_hash"}
                    | {"state": grant.state(now)},
                    default=str,
                )
            )
        return
    table = Table(
        "id", "name", "role", "repositories", "created (UTC)", "by", "used (UTC)", "state", box=None, pad_edge=False
    )
    for grant in found:
        table.add_row(
            grant.id,
            printable(grant.name),
            grant.role,
            " ".join(grant.repositories),
            f"{grant.created_at:%Y-%m-%d %H:%M}",
            printable(grant.created_by),
            f"{grant.last_used_at:%Y-%m-%d %H:%M}" if grant.last_used_at else "never",
            _state(grant, now),
        )
    console().print(table if found else "No tokens yet: imagegate token create NAME")


def _revoke(
    context: typer.Context, token_id: Annotated[str, typer.Argument(metavar="ID", help="The id token list shows.")]
) -> None:
    """End a token. It is refused everywhere within 5 seconds."""
    if not asyncio.run(_revoked(settings_for(context), token_id)):
        complain(f"There is no live token {token_id}; imagegate token list shows them.")
        raise typer.Exit(1)
    typer.echo(f"Token {token_id} is revoked; it is refused everywhere within 5 seconds.")


def _end(expires: str, now: datetime) -> datetime:
    try:
        end = end_after(now, parse_duration(expires))
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--expires") from error
    if end <= now:
        raise typer.BadParameter("a token that has ended already is of no use", param_hint="--expires")
    return end


def _state(grant: Grant, now: datetime) -> str:
    state = grant.state(now)
    since = grant.revoked_at or grant.expires_at
    return f"{'until' if state is GrantState.LIVE else state} {since:%Y-%m-%d %H:%M}" if since else state


async def _make(settings: Settings, new: NewGrant, now: datetime) -> tuple[Grant, OpaqueToken]:
    async with open_database(settings, may_be_new=True) as database:
        return await tokens.create(database, new, administrator(), now)


async def _all(settings: Settings) -> tuple[Grant, ...]:
    async with open_database(settings) as database, database.snapshot() as tx:
        return await grants.list_all(tx)


async def _revoked(settings: Settings, token_id: str) -> bool:
    async with open_database(settings) as database:
        return await tokens.revoke(database, token_id, administrator(), utc_now())
