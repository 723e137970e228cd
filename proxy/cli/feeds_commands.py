"""`imagegate feeds import|update|status|prune`: the advisories that findings rest on."""

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
from proxy.cli.local_database import open_database
from proxy.cli.output import console, printable
from proxy.cli.session import administrator, settings_for
from proxy.clock import utc_now
from proxy.feeds import pruning
from proxy.feeds.fetch import Sources, feed_session, update
from proxy.feeds.importer import import_path
from proxy.feeds.report import FeedError, FeedReport, Progress
from proxy.feeds.supplements import Supplement
from storage import audit
from storage.snapshot import Snapshot
from storage.snapshots import Pruned, Snapshots

ForceOption = Annotated[
    bool, typer.Option("--force", help="Accept data that looks older or cut short; leave malformed records out.")
]


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    commands = typer.Typer(help="The advisories that findings rest on.", no_args_is_help=True)
    commands.command("import")(_import)
    commands.command("update")(_update)
    commands.command("status")(_status)
    commands.command("prune")(_prune)
    app.add_typer(commands, name="feeds")


def _import(
    context: typer.Context,
    path: Annotated[
        Path,
        typer.Argument(
            help="<ECOSYSTEM>/all.zip folders, a zip archive, .json records, or files of KEV, EPSS, ends of life."
        ),
    ],
    ecosystem: Annotated[
        str, typer.Option("--ecosystem", help="Take only this one, such as Debian; also where PATH does not say it.")
    ] = "",
    force: ForceOption = False,
) -> None:
    """Take in advisories and what is known besides from local files. What is not there stays as it is."""
    settings = settings_for(context)
    snapshots = Snapshots(settings.advisories_path)
    with _progress() as progress:
        report = import_path(path, snapshots, utc_now(), ecosystem=ecosystem, force=force, progress=progress)
    asyncio.run(_record(settings, report, f"import {path}"))
    _show(report)


def _update(
    context: typer.Context,
    base_url: Annotated[str, typer.Option("--from", help="The feed's address, over the settings'.")] = "",
    ecosystem: Annotated[
        list[str] | None, typer.Option("--ecosystem", help="Only this one, or KEV, EPSS, end of life; may be repeated.")
    ] = None,
    force: ForceOption = False,
) -> None:
    """Fetch what changed from the feeds, and remove old data as prune does. What cannot be fetched stays as it is."""
    settings = settings_for(context)
    snapshots = Snapshots(settings.advisories_path)
    with _progress() as progress:
        report = asyncio.run(
            _fetch(
                _chosen(Sources.of(settings.feeds), base_url, ecosystem or ()),
                snapshots,
                force=force,
                progress=progress,
            )
        )
    asyncio.run(_record(settings, report, f"update from {base_url or settings.feeds.url}"))
    removed = asyncio.run(_pruned(settings, settings.feeds.keep_days))
    if removed:
        typer.echo(f"Old data removed: {pruning.sentence(removed)}.")
    _show(report)


def _prune(
    context: typer.Context,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
    keep_days: Annotated[
        int | None, typer.Option("--keep-days", min=1, help="Keep what is not older, over the settings'.")
    ] = None,
) -> None:
    """Remove old advisory data, but for what is in force and what verdicts in force were made of."""
    settings = settings_for(context)
    pruned = asyncio.run(_pruned(settings, keep_days or settings.feeds.keep_days, dry_run=dry_run))
    said = pruning.sentence(pruned)
    typer.echo(f"Would remove: {said}. Nothing was changed." if dry_run else f"Removed: {said}.")


def _status(context: typer.Context) -> None:
    """Show what advisory data is in force, where it came from, and how old it is."""
    snapshots = Snapshots(settings_for(context).advisories_path)
    snapshot = snapshots.current()
    if snapshot is None:
        typer.echo("There is no advisory data yet. Get some with: imagegate feeds update")
        return
    _print(_status_table(snapshot, snapshots.observe(utc_now())))


def _chosen(sources: Sources, base_url: str, names: Sequence[str]) -> Sources:
    """`sources`, or those of `names` among them; with another base address nothing is fetched from elsewhere."""
    kinds = {str(kind): kind for kind in Supplement}
    addresses = {kind: sources.supplements.get(kind, "") for name in names if (kind := kinds.get(name))}
    if missing := [kind for kind, address in addresses.items() if not address]:
        raise FeedError(f"the settings name no address for {missing[0]}; set it in feeds, or import it from a file")
    return Sources(
        base_url or sources.base_url,
        [name for name in names if name not in kinds] if names else sources.ecosystems,
        addresses if names or base_url else sources.supplements,
    )


async def _fetch(sources: Sources, snapshots: Snapshots, *, force: bool, progress: Progress) -> FeedReport:
    async with feed_session() as session:
        return await update(sources, snapshots, session, utc_now(), force=force, progress=progress)


async def _pruned(settings: Settings, keep_days: int, *, dry_run: bool = False) -> Pruned:
    by, snapshots = administrator(), Snapshots(settings.advisories_path)
    async with open_database(settings) as database:
        if dry_run:
            return await pruning.prune(database, snapshots, keep_days, utc_now(), dry_run=True)
        return await pruning.prune_and_record(database, snapshots, keep_days, utc_now(), by)


async def _record(settings: Settings, report: FeedReport, deed: str) -> None:
    by = administrator()
    async with open_database(settings, may_be_new=True) as database, database.transaction() as tx:
        await audit.append(tx, report.record(utc_now(), by, deed))


def _show(report: FeedReport) -> None:
    """Print what became of each ecosystem; exit with 1 if one was not taken in."""
    table = Table("feed", "outcome", "records", "remarks", box=None, pad_edge=False)
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
    table = Table("feed", "records", "newest", "fetched (UTC)", "age", "from", title=heading, box=None)
    for feed in (*snapshot.feeds, *snapshot.supplements):
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
