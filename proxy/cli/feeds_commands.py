"""`imagegate feeds import|update|status`: the advisories that findings rest on."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as ProgressBars
from rich.table import Table

from config.settings import Settings
from proxy.cli.local_state import open_state
from proxy.cli.output import console, printable
from proxy.cli.session import administrator, settings_for
from proxy.clock import utc_now
from proxy.feeds.fetch import feed_session, update
from proxy.feeds.importer import import_path
from proxy.feeds.report import FeedReport, Progress
from storage import audit
from storage.snapshots import Snapshot, Snapshots

ForceOption = Annotated[
    bool, typer.Option("--force", help="Accept data that looks older or cut short; leave malformed records out.")
]


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    commands = typer.Typer(help="The advisories that findings rest on.", no_args_is_help=True)
    commands.command("import")(_import)
    commands.command("update")(_update)
    commands.command("status")(_status)
    app.add_typer(commands, name="feeds")


def _import(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(help="<ECOSYSTEM>/all.zip folders, one zip archive, or .json records.")],
    ecosystem: Annotated[
        str, typer.Option("--ecosystem", help="Take only this one, such as Debian; also where PATH does not say it.")
    ] = "",
    force: ForceOption = False,
) -> None:
    """Take in OSV advisories from local files. Ecosystems that are not there stay as they are."""
    settings = settings_for(context)
    snapshots = Snapshots(settings.advisories_path)
    with _progress() as progress:
        report = import_path(path, snapshots, utc_now(), ecosystem=ecosystem, force=force, progress=progress)
    asyncio.run(_record(settings, report, f"import {path}"))
    _show(report)


def _update(
    context: typer.Context,
    base_url: Annotated[str, typer.Option("--from", help="The feed's address, over the settings'.")] = "",
    ecosystem: Annotated[list[str] | None, typer.Option("--ecosystem", help="Only this one; may be repeated.")] = None,
    force: ForceOption = False,
) -> None:
    """Fetch what changed from the advisory feed. What cannot be fetched stays as it is."""
    settings = settings_for(context)
    snapshots = Snapshots(settings.advisories_path)
    with _progress() as progress:
        report = asyncio.run(
            _fetch(
                base_url or settings.feeds.url,
                ecosystem or settings.feeds.ecosystems,
                snapshots,
                force=force,
                progress=progress,
            )
        )
    asyncio.run(_record(settings, report, f"update from {base_url or settings.feeds.url}"))
    _show(report)


def _status(context: typer.Context) -> None:
    """Show what advisory data is in force, where it came from, and how old it is."""
    snapshots = Snapshots(settings_for(context).advisories_path)
    snapshot = snapshots.current()
    if snapshot is None:
        typer.echo("There is no advisory data yet. Get some with: imagegate feeds update")
        return
    _print(_status_table(snapshot, snapshots.observe(utc_now())))


async def _fetch(
    base_url: str, ecosystems: Sequence[str], snapshots: Snapshots, *, force: bool, progress: Progress
) -> FeedReport:
    async with feed_session() as session:
        return await update(base_url, ecosystems, snapshots, session, utc_now(), force=force, progress=progress)


async def _record(settings: Settings, report: FeedReport, deed: str) -> None:
    by = administrator()
    async with open_state(settings) as state, state.database.transaction() as tx:
        await audit.append(tx, report.record(utc_now(), by.name, by.address, deed))


def _show(report: FeedReport) -> None:
    """Print what became of each ecosystem; exit with 1 if one was not taken in."""
    table = Table("ecosystem", "outcome", "advisories", "remarks", box=None, pad_edge=False)
    for result in report.results:
        remark = result.problem or (f"{result.skipped} malformed records left out" if result.skipped else "")
        table.add_row(printable(result.ecosystem), result.outcome, f"{result.records:,}", printable(remark))
    _print(table)
    if report.snapshot:
        typer.echo(f"In force: {report.snapshot.digest}")
    if report.failed:
        raise typer.Exit(1)


def _status_table(snapshot: Snapshot, now: datetime) -> Table:
    heading = f"Advisory snapshot {snapshot.digest}"
    table = Table("ecosystem", "advisories", "newest", "fetched (UTC)", "age", "from", title=heading, box=None)
    for feed in snapshot.feeds:
        table.add_row(
            feed.ecosystem,
            f"{feed.records:,}",
            f"{feed.newest:%Y-%m-%d}" if feed.newest.year > 1 else "undated",
            f"{feed.fetched_at:%Y-%m-%d %H:%M}",
            _age(now - feed.fetched_at),
            printable(feed.source or "local files"),
        )
    return table


def _age(age: timedelta) -> str:
    hours = max(age, timedelta()) // timedelta(hours=1)
    return f"{hours // 24} days" if hours >= 72 else f"{hours} hours"


def _print(table: Table) -> None:
    console().print(table)


@contextmanager
def _progress() -> Iterator[Progress]:
    """Bars on a terminal, nothing elsewhere."""
    screen = Console(stderr=True, markup=False)
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn())
    with ProgressBars(*columns, console=screen, transient=True, disable=not screen.is_terminal) as bars:
        tasks = {}

        def show(label: str, done: int, total: int) -> None:
            if label not in tasks:
                tasks[label] = bars.add_task(label)
            bars.update(tasks[label], completed=done, total=total or None)

        yield show
