"""`imagegate feeds import | update | status`: the advisories that findings rest on."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

import aiohttp
import typer
from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as ProgressBars
from rich.table import Table

from config.errors import ImagegateError
from config.settings_file import load_settings
from proxy.clock import utc_now
from proxy.feeds.fetch import update
from proxy.feeds.importer import import_path
from proxy.feeds.report import FeedReport, Outcome, Progress
from storage.snapshots import Snapshot, Snapshots

app = typer.Typer(no_args_is_help=True, help="Advisory data: import it, fetch it, see how fresh it is.")

_FOLDER = "advisories"
_STYLES = {Outcome.UPDATED: "green", Outcome.UNCHANGED: "dim", Outcome.FAILED: "bold red"}

_Config = Annotated[Path | None, typer.Option("--config", "-c", help="The settings file.", exists=True, dir_okay=False)]
_State = Annotated[Path | None, typer.Option("--state-dir", help="The gate's state folder, over the settings file's.")]
_Force = Annotated[
    bool,
    typer.Option("--force", help="Accept data that looks older or cut short; leave malformed records out."),
]


@app.command("import")
def import_command(
    path: Annotated[Path, typer.Argument(help="<ECOSYSTEM>/all.zip folders, one zip archive, or .json records.")],
    ecosystem: Annotated[
        str, typer.Option("--ecosystem", help="Take only this one, such as Debian; needed where PATH does not say it.")
    ] = "",
    force: _Force = False,
    config: _Config = None,
    state_dir: _State = None,
) -> None:
    """Take in OSV advisories from local files. Ecosystems that are not there stay as they are."""
    console = Console(stderr=True)
    with _refusing(console), _progress(console) as progress:
        snapshots = Snapshots(advisory_folder(config, state_dir))
        report = import_path(path, snapshots, utc_now(), ecosystem=ecosystem, force=force, progress=progress)
    _finish(report)


@app.command("update")
def update_command(
    base_url: Annotated[str, typer.Option("--from", help="The feed's address, over the settings'.")] = "",
    ecosystem: Annotated[list[str] | None, typer.Option("--ecosystem", help="Only this one; may be repeated.")] = None,
    force: _Force = False,
    config: _Config = None,
    state_dir: _State = None,
) -> None:
    """Fetch what changed from the advisory feed. What cannot be fetched stays as it is."""
    console = Console(stderr=True)
    with _refusing(console), _progress(console) as progress:
        feeds = load_settings(config).feeds
        snapshots = Snapshots(advisory_folder(config, state_dir))
        report = asyncio.run(
            fetch(base_url or feeds.url, ecosystem or feeds.ecosystems, snapshots, force=force, progress=progress)
        )
    _finish(report)


@app.command("status")
def status_command(config: _Config = None, state_dir: _State = None) -> None:
    """Show what advisory data is in force, where it came from, and how old it is."""
    with _refusing(Console(stderr=True)):
        snapshots = Snapshots(advisory_folder(config, state_dir))
        snapshot = snapshots.current()
        now = snapshots.observe(utc_now())
    if snapshot is None:
        Console().print("There is no advisory data yet. Get some: [bold]imagegate feeds update[/]")
        return
    Console().print(status_table(snapshot, now))


def advisory_folder(config: Path | None, state_dir: Path | None) -> Path:
    """Where the snapshots lie, by flag or settings. Raises `ConfigurationError`."""
    overrides = {"state_dir": str(state_dir)} if state_dir else None
    return load_settings(config, overrides).state_dir / _FOLDER


async def fetch(
    base_url: str, ecosystems: Sequence[str], snapshots: Snapshots, *, force: bool, progress: Progress
) -> FeedReport:
    """One update with a session of its own: no cookies, no credentials, no proxy from the environment."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        return await update(base_url, ecosystems, snapshots, session, utc_now(), force=force, progress=progress)


def report_table(report: FeedReport) -> Table:
    """What became of each ecosystem."""
    table = Table("Ecosystem", "Outcome", "Advisories", "Remarks", title="Advisory data")
    for result in report.results:
        remark = result.problem or (f"{result.skipped} malformed records left out" if result.skipped else "")
        style = _STYLES[result.outcome]
        table.add_row(result.ecosystem, f"[{style}]{result.outcome}[/]", f"{result.records:,}", _literal(remark))
    return table


def status_table(snapshot: Snapshot, now: datetime) -> Table:
    """What is in force, feed by feed."""
    table = Table(
        "Ecosystem", "Advisories", "Newest", "Fetched", "Age", "From", title=f"Advisory snapshot {snapshot.digest}"
    )
    for feed in snapshot.feeds:
        table.add_row(
            feed.ecosystem,
            f"{feed.records:,}",
            f"{feed.newest:%Y-%m-%d}",
            f"{feed.fetched_at:%Y-%m-%d %H:%M} UTC",
            _age(now - feed.fetched_at),
            _literal(feed.source or "local files"),
        )
    return table


def _literal(text: str) -> str:
    return text.replace("[", r"\[")


def _age(age: timedelta) -> str:
    hours = max(age, timedelta()) // timedelta(hours=1)
    return f"{hours // 24} days" if hours >= 72 else f"{hours} hours"


def _finish(report: FeedReport) -> None:
    Console().print(report_table(report))
    if report.snapshot:
        Console().print(f"In force: {report.snapshot.digest}", soft_wrap=True)
    if report.failed:
        raise typer.Exit(1)


@contextmanager
def _refusing(console: Console) -> Iterator[None]:
    try:
        yield
    except ImagegateError as error:
        console.print(str(error), style="bold red", markup=False, soft_wrap=True)
        raise typer.Exit(1) from error


@contextmanager
def _progress(console: Console) -> Iterator[Progress]:
    """Bars on a terminal, nothing elsewhere."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with ProgressBars(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        tasks = {}

        def show(label: str, done: int, total: int) -> None:
            if label not in tasks:
                tasks[label] = bars.add_task(label)
            bars.update(tasks[label], completed=done, total=total or None)

        yield show
