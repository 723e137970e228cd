"""`imagegate registry gc|usage`: what the embedded registry holds, and what of it, and of the records, nobody needs."""

import asyncio
from typing import Annotated

import typer
from rich.table import Table

from config.settings import Settings
from proxy.cli.local_database import open_database
from proxy.cli.output import console
from proxy.cli.session import administrator, settings_for
from proxy.clock import utc_now
from proxy.collecting import Cleared, clear_and_record, of_blobs, of_records, preview
from proxy.upstream.quotas import Allowance, Quotas
from scanning.oci.names import Repository
from storage import registry
from storage.content.build import build_content


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    commands = typer.Typer(help="The embedded registry: its room, and what nobody needs.", no_args_is_help=True)
    commands.command("gc")(_gc)
    commands.command("usage")(_usage)
    app.add_typer(commands, name="registry")


def _gc(
    context: typer.Context,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
) -> None:
    """Remove blobs that no manifest refers to, and old records. A gate may run meanwhile, and pushes go on."""
    cleared = asyncio.run(_clear(settings_for(context), dry_run=dry_run))
    blobs, records = of_blobs(cleared.blobs), of_records(cleared.records)
    if dry_run:
        typer.echo(f"Would remove: {blobs}.\nWould forget: {records}.\nNothing was changed.")
    else:
        typer.echo(f"Removed: {blobs}.\nForgotten: {records}.")


def _usage(context: typer.Context) -> None:
    """Show how many bytes of blobs each repository holds, and what is left of its quota."""
    held = asyncio.run(_held(settings_for(context)))
    table = Table("repository", "bytes", "quota", "used of it", box=None, pad_edge=False)
    for repository, (size, allowance) in sorted(held.items()):
        patterns = ", ".join(pattern.text for pattern in allowance.quota.repositories) if allowance else "none"
        used = f"{allowance.used:,} of {allowance.quota.bytes:,}" if allowance else ""
        table.add_row(repository.name, f"{size:,}", patterns, used)
    console().print(table if held else "The embedded registry holds no blobs.")


async def _clear(settings: Settings, *, dry_run: bool) -> Cleared:
    by = administrator()
    async with open_database(settings) as database:
        content = build_content(settings.content, settings.content_path)
        if dry_run:
            return await preview(database, content, settings, utc_now())
        return await clear_and_record(database, content, settings, utc_now(), by)


async def _held(settings: Settings) -> dict[Repository, tuple[int, Allowance | None]]:
    quotas = Quotas(settings.content.quotas)
    async with open_database(settings) as database, database.snapshot() as tx:
        held = await registry.bytes_held(tx)
        return {name: (size, await quotas.allowance(tx, name)) for name, size in held.items()}
