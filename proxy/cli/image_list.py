"""`imagegate image list`: what the tags mean, how it stands today, and who pulled something older than that."""

import asyncio
import json
from datetime import datetime
from typing import Annotated

import typer
from rich.table import Table

from config.settings import Settings
from proxy.cli.local_database import open_database
from proxy.cli.output import console, printable
from proxy.cli.session import settings_for
from proxy.gate.tagged_images import Row, images_under, row_behind, row_now, tags
from proxy.gate.tagged_images import behind as behind_of
from scanning.oci.digest import Digest
from scanning.oci.names import Repository


def list_images(
    context: typer.Context,
    repository: Annotated[str, typer.Option(help="Only of this repository.")] = "",
    behind: Annotated[
        bool, typer.Option("--behind", help="Who last pulled something older than what the tag means now.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """List the tags that were admitted here: what each means now, how that stands today, and who pulled it last.

    With --behind: who last pulled an older image of a tag, and so may still run it.
    """
    wanted = Repository(repository) if repository else None
    rows = asyncio.run(_rows(settings_for(context), wanted, only_behind=behind))
    if as_json:
        for row in rows:
            typer.echo(json.dumps(row, default=str))
        return
    if not rows:
        typer.echo("Nobody is behind." if behind else "No image was admitted under a tag yet.")
        return
    table = Table(*(_heading(name) for name in rows[0]), box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(printable(_cell(value)) for value in row.values()))
    console().print(table)


async def _rows(settings: Settings, repository: Repository | None, *, only_behind: bool) -> list[Row]:
    async with open_database(settings) as database:
        every = await tags(database, repository)
        if only_behind:
            return list(map(row_behind, await behind_of(database, every)))
        return list(map(row_now, await images_under(database, every)))


def _heading(name: str) -> str:
    is_time = name in ("admitted", "last_pulled", "pulled", "since")
    return name.replace("_", " ") + (" (UTC)" if is_time else "")


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, Digest):
        return value.abbreviated
    return f"{value:%Y-%m-%d %H:%M}" if isinstance(value, datetime) else str(value)
