"""`imagegate serve`: run the gate."""

import asyncio
from typing import Annotated, Any

import typer
import uvloop

from config.patterns import RepositoryPattern
from config.settings import Settings
from proxy.cli.output import command_name
from proxy.cli.session import settings_for
from proxy.clock import utc_now
from proxy.identity import tokens
from proxy.identity.principal import Role
from proxy.identity.tokens import Administrator, NewGrant
from proxy.running import running
from proxy.server import serve_until_told
from proxy.services import Services
from proxy.telemetry.logging import configure_logging
from storage import grants


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("serve")(_serve)


def _serve(
    context: typer.Context,
    host: Annotated[str | None, typer.Option(help="The address to listen on, over the settings file's.")] = None,
    port: Annotated[int | None, typer.Option(help="The port to listen on, over the settings file's.")] = None,
    upstream: Annotated[
        str | None, typer.Option(help="Stand in front of this registry, such as http://127.0.0.1:5001.")
    ] = None,
) -> None:
    """Serve until SIGTERM or Ctrl-C. The first start makes an admin token and prints it."""
    settings = settings_for(context, _flags(host, port, upstream))
    configure_logging(settings.logging.level, settings.logging.format)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(settings))


def _flags(host: str | None, port: int | None, upstream: str | None) -> dict[str, Any]:
    flags: dict[str, Any] = {}
    if host is not None or port is not None:
        flags["listen"] = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    if upstream is not None:
        flags["upstream"] = {"kind": "remote", "url": upstream}
    return flags


async def _run(settings: Settings) -> None:
    async with running(settings) as services:
        token = await _first_token(services)
        if token:
            typer.echo(_welcome(settings, token))
        await serve_until_told(services)


async def _first_token(services: Services) -> str:
    """An admin token if there has never been any token, else ""."""
    async with services.database.snapshot() as tx:
        if await grants.count(tx):
            return ""
    new = NewGrant("first-admin", Role.ADMIN, (RepositoryPattern("**"),))
    _, token = await tokens.create(services.database, new, Administrator("imagegate serve", ""), utc_now())
    return token.text


def _welcome(settings: Settings, token: str) -> str:
    host = settings.public_origin.partition("://")[2]
    imagegate = command_name()
    return f"""
The gate is at {settings.public_origin}; its state is in {settings.state_dir}.
This is its first start. Keep this admin token, it is shown only now:

    {token}

Try next, in another terminal (docker, podman and skopeo work alike):

    docker login {host} -u admin -p {token}
    docker pull debian:12 && docker tag debian:12 {host}/debian:12 && docker push {host}/debian:12
    {imagegate} verdict list        # then: {imagegate} verdict show ID
"""
