"""`imagegate clock accept`: the time on record was wrong."""

import asyncio
from datetime import datetime

import typer

from config.settings import Settings
from proxy.cli.local_database import open_database
from proxy.cli.session import administrator, settings_for
from proxy.clock import utc_now
from proxy.timekeeping import accept


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    commands = typer.Typer(help="The latest time on record, which the gate never goes behind.", no_args_is_help=True)
    commands.command("accept")(_accept)
    app.add_typer(commands, name="clock")


def _accept(context: typer.Context) -> None:
    """Take the present for the latest time: the clock was ahead by mistake, and is right now. Stop every gate first."""
    now = utc_now()
    noted = asyncio.run(_accepted(settings_for(context), now))
    was = f"{noted:%Y-%m-%d %H:%M:%S} UTC" if noted else "nothing"
    typer.echo(f"The latest time on record is {now:%Y-%m-%d %H:%M:%S} UTC now; it was {was}.")


async def _accepted(settings: Settings, now: datetime) -> datetime | None:
    by = administrator()
    async with open_database(settings) as database:
        return await accept(database, now, by)
