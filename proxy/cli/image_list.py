"""`imagegate image list`: what the tags mean, how it stands today, and who pulled something older than that."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import typer

from config.settings import Settings
from proxy.cli.gate_options import asked_gate
from proxy.cli.local_database import open_database
from proxy.cli.output import minute, print_list
from proxy.cli.session import settings_for
from proxy.gate.tagged_images import behind as behind_of
from proxy.gate.tagged_images import images_under, row_as_document, row_behind, row_now, tags
from scanning.oci.digest import Digest
from scanning.oci.names import Repository

_TIMES = ("admitted", "last_pulled", "pulled", "since")
_DIGESTS = ("digest", "got", "now")


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
    if client := asked_gate(context):
        name, asked = ("behind", {"behind": "true"}) if behind else ("images", {})
        rows = asyncio.run(client.listed("/api/v1/images", name, {"repository": repository, **asked}))
    else:
        rows = asyncio.run(_rows(settings_for(context), wanted, only_behind=behind))
    none = "Nobody is behind." if behind else "No image was admitted under a tag yet."
    print_list(rows, map(_heading, rows[0] if rows else ()), _cells, none, as_json=as_json)


async def _rows(
    settings: Settings, repository: Repository | None, *, only_behind: bool
) -> tuple[Mapping[str, Any], ...]:
    async with open_database(settings) as database:
        every = await tags(database, repository)
        if only_behind:
            rows = list(map(row_behind, await behind_of(database, every)))
        else:
            rows = list(map(row_now, await images_under(database, every)))
    return tuple(map(row_as_document, rows))


def _heading(name: str) -> str:
    return name.replace("_", " ") + (" (UTC)" if name in _TIMES else "")


def _cells(row: Mapping[str, Any]) -> Iterable[str]:
    return (_cell(name, value) for name, value in row.items())


def _cell(name: str, value: Any) -> str:
    if value is None:
        return ""
    if name in _DIGESTS:
        return Digest.parse(value).abbreviated
    return minute(value) if name in _TIMES else str(value)
