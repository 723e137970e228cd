"""`imagegate serve`: run the gate."""

import asyncio
from collections.abc import Coroutine
from functools import partial
from typing import Annotated, Any

import typer
import uvloop

from config.errors import ImagegateError
from config.patterns import EVERY_REPOSITORY
from config.settings import Settings
from proxy.cli.output import command_line, complain
from proxy.cli.session import settings_for
from proxy.clock import utc_now
from proxy.gate.policy import read_policy
from proxy.identity import tokens
from proxy.identity.administrator import Administrator
from proxy.identity.principal import Role
from proxy.identity.tokens import NewGrant
from proxy.running import prepare, running
from proxy.server import serve_until_told
from proxy.serving.forks import ended, fork
from proxy.serving.sockets import open_sockets
from proxy.serving.supervisor import supervise
from proxy.serving.tls import load_identity
from proxy.telemetry.logging import configure_logging
from proxy.upstream.remote_settings import remote_options
from storage import grants
from storage.database import Database


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
    workers: Annotated[int | None, typer.Option(help="How many processes serve, over the settings file's.")] = None,
) -> None:
    """Serve until SIGTERM or Ctrl-C. The first start makes an admin token and prints it."""
    settings = settings_for(context, _flags(upstream, host=host, port=port, workers=workers))
    configure_logging(settings.logging.level, settings.logging.format)
    if settings.listen.workers == 1:
        _wait_for(_run(settings, command_line(context)))
    else:
        _run_several(settings, command_line(context))


def _wait_for(work: Coroutine[None, None, None]) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work)


def _flags(upstream: str | None, **listen: str | int | None) -> dict[str, Any]:
    flags: dict[str, Any] = {}
    given = {name: value for name, value in listen.items() if value is not None}
    if given:
        flags["listen"] = given
    if upstream is not None:
        flags["upstream"] = {"kind": "remote", "url": upstream}
    return flags


async def _run(settings: Settings, imagegate: str) -> None:
    sockets = await asyncio.to_thread(open_sockets, settings.listen)  # else the token is told of a gate that cannot be
    try:
        async with running(settings) as services:
            await _welcome_first(settings, services.database, imagegate)
            await serve_until_told(services, sockets)
    finally:
        for each in sockets:
            each.close()


def _run_several(settings: Settings, imagegate: str) -> None:
    """Nothing here may begin a thread: the processes that serve are forks of this one."""
    sockets = open_sockets(settings.listen)
    try:
        prepare(settings)
        _check(settings)
        status = ended(fork(partial(_get_ready, settings, imagegate)))
        if status:
            raise typer.Exit(status if status > 0 else 128 - status)
        supervise(settings, sockets)
    finally:
        for each in sockets:
            each.close()


def _get_ready(settings: Settings, imagegate: str) -> int:
    """Bring the database up to date, and welcome whoever starts the gate for the first time, in a process for that:
    it needs threads, and libraries that nobody needs afterwards. Gives its exit status, and says why it is not 0.
    """
    try:
        _wait_for(_open_first(settings, imagegate))
    except ImagegateError as error:
        complain(str(error))
        return 2
    return 0


async def _open_first(settings: Settings, imagegate: str) -> None:
    database = await Database.open(settings.database)
    try:
        await _welcome_first(settings, database, imagegate)
    finally:
        await database.close()


def _check(settings: Settings) -> None:
    """Find here, and say once, what no process could serve with. Raises `ConfigurationError`."""
    read_policy(settings.policy_path)
    remote_options(settings)
    if settings.listen.tls_cert_file:
        load_identity(settings.listen)


async def _welcome_first(settings: Settings, database: Database, imagegate: str) -> None:
    """Make an admin token and print it, if there has never been any token."""
    async with database.snapshot() as tx:
        if await grants.count(tx):
            return
    new = NewGrant("first-admin", Role.ADMIN, (EVERY_REPOSITORY,))
    _, token = await tokens.create(database, new, Administrator("imagegate serve", ""), utc_now())
    typer.echo(_welcome(settings, token.text, imagegate))


def _welcome(settings: Settings, token: str, imagegate: str) -> str:
    host = settings.public_origin.partition("://")[2]
    browser = f"\nOr in a browser, with the same token: {settings.public_origin}/console/\n" if settings.console else ""
    return f"""
The gate is at {settings.public_origin}; its state is in {settings.state_dir}.
This is its first start. Keep this admin token, it is shown only now:

    {token}

Try next, in another terminal (docker, podman and skopeo work alike):

    docker login {host} -u admin -p {token}
    docker pull debian:12 && docker tag debian:12 {host}/debian:12 && docker push {host}/debian:12
    {imagegate} verdict list        # then: {imagegate} verdict show ID
{browser}"""
