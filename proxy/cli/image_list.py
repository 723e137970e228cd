"""`imagegate image list`: what the tags mean, how it stands today, and who pulled something older than that."""

import asyncio
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.table import Table

from config.settings import Settings
from proxy.cli.local_state import open_state
from proxy.cli.output import console, printable
from proxy.cli.session import settings_for
from scanning.oci.digest import Digest
from scanning.oci.names import Repository
from scanning.verdict import Verdict
from storage import audit, tag_history, verdicts
from storage.audit import AuditRecord
from storage.tag_history import Tagged

_Columns = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Listed:
    """One tag, the last verdict on what it means, and the last pull of each who pulled by it, the newest first."""

    tagged: Tagged
    verdict: Verdict | None
    pulls: tuple[AuditRecord, ...]

    @property
    def name(self) -> str:
        """As people write it."""
        return f"{self.tagged.repository}:{self.tagged.tag}"


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
    found = asyncio.run(_listed(settings_for(context), Repository(repository) if repository else None))
    rows = list(_behind(found) if behind else map(_now, found))
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


async def _listed(settings: Settings, repository: Repository | None) -> tuple[Listed, ...]:
    async with open_state(settings) as state, state.database.snapshot() as tx:
        tags = await tag_history.newest_of_each(tx, repository)
        last = await verdicts.latest_of_many(tx, {(one.repository, one.digest) for one in tags})
        served = await audit.last_served(tx, repository)
    pulls: dict[tuple[str, str], list[AuditRecord]] = {}
    for record in served:
        pulls.setdefault((record.repository, record.reference), []).append(record)
    return tuple(
        Listed(one, last.get((one.repository, one.digest)), tuple(pulls.get((str(one.repository), str(one.tag)), ())))
        for one in tags
    )


def _now(one: Listed) -> _Columns:
    pull = one.pulls[0] if one.pulls else None
    return {
        "image": one.name,
        "digest": one.tagged.digest,
        "admitted": one.tagged.admitted_at,
        "stands": one.verdict.enforced if one.verdict else "",
        "findings": dict(one.verdict.counts).get("findings", 0) if one.verdict else "",
        "older": one.tagged.older,
        "last_pulled": pull.at if pull else None,
        "by": pull.actor if pull else "",
    }


def _behind(found: Iterable[Listed]) -> Iterator[_Columns]:
    for one in found:
        for pull in one.pulls:
            if pull.digest and pull.digest != str(one.tagged.digest):
                yield {
                    "who": pull.actor,
                    "image": one.name,
                    "pulled": pull.at,
                    "got": Digest.parse(pull.digest),
                    "now": one.tagged.digest,
                    "since": one.tagged.admitted_at,
                }


def _heading(name: str) -> str:
    is_time = name in ("admitted", "last_pulled", "pulled", "since")
    return name.replace("_", " ") + (" (UTC)" if is_time else "")


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, Digest):
        return value.abbreviated
    return f"{value:%Y-%m-%d %H:%M}" if isinstance(value, datetime) else str(value)
