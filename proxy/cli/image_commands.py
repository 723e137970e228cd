"""`imagegate image list|show|sbom|diff|vet`: what is in an image, as the gate saw it, and what it decided about it."""

import asyncio
import json
from collections.abc import Iterator
from typing import Annotated

import typer
from rich.table import Table

from config.settings import Settings
from proxy.cli.difference_table import difference_table
from proxy.cli.find_image import behind_gate
from proxy.cli.gate_options import GateCommand, asked_gate
from proxy.cli.image_list import list_images
from proxy.cli.local_state import open_state, open_upstream, resolve
from proxy.cli.output import complain, console, printable, terminal_width
from proxy.cli.session import settings_for
from proxy.cli.vet_command import vet
from proxy.gate.image_tables import image_tables
from proxy.gate.inventory import bill_of_materials
from proxy.gate.report import Explained, record_of, report
from proxy.gate.shown_images import Known, as_document, difference, known_of
from scanning.difference import Difference
from scanning.documents import encode
from scanning.oci.names import ImageReference
from scanning.rules.case import Case
from scanning.sbom import SbomFormat


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    commands = typer.Typer(help="What is in the images behind the gate.", no_args_is_help=True)
    commands.command("list", cls=GateCommand)(list_images)
    commands.command("show")(_show)
    commands.command("sbom", cls=GateCommand)(_sbom)
    commands.command("diff")(_diff)
    commands.command("vet")(vet)
    app.add_typer(commands, name="image")


def _show(
    context: typer.Context,
    reference: Annotated[str, typer.Argument(metavar="REF", help="team/app:1.2 or team/app@sha256:…")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Show an image's packages, tools, findings and signatures, and why it was admitted or not."""
    settings = settings_for(context)
    cases = asyncio.run(_known(settings, behind_gate(settings.public_origin, reference)))
    if as_json:
        typer.echo(json.dumps([as_document(verdict, case) for verdict, case in cases], indent=2))
        return
    screen = console()
    for verdict, case in cases:
        explained = Explained(verdict, case)
        screen.print(report((explained,), record_of(explained), width=terminal_width()))
        for table in _tables(case):
            screen.print(table)
            screen.print()


def _sbom(
    context: typer.Context,
    reference: Annotated[str, typer.Argument(metavar="REF", help="team/app:1.2 or team/app@sha256:…")],
    form: Annotated[SbomFormat, typer.Option("--format", help="CycloneDX 1.6 or SPDX 2.3, both JSON.")] = (
        SbomFormat.CYCLONEDX
    ),
) -> None:
    """Print an image's bill of materials: every package, where it was found, and its licence."""
    if client := asked_gate(context):
        image = behind_gate(client.url, reference)
        path = f"/api/v1/images/{image.repository}/{image.reference}/sbom"
        document = asyncio.run(client.get(path, {"format": form}, kind="*/*")).body
    else:
        settings = settings_for(context)
        document = asyncio.run(_local_sbom(settings, behind_gate(settings.public_origin, reference), form))
    typer.echo(document, nl=False)


def _diff(
    context: typer.Context,
    before: Annotated[str, typer.Argument(metavar="BEFORE", help="The older image: team/app:1.2 or team/app@sha256:…")],
    after: Annotated[str, typer.Argument(metavar="AFTER", help="The newer one.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Compare two images: configuration, packages, licences, programs, tools, secrets, weaknesses and findings.

    Exit status 1 if they differ.
    """
    settings = settings_for(context)
    images = (behind_gate(settings.public_origin, named) for named in (before, after))
    found = asyncio.run(_compared(settings, *images))
    if as_json:
        typer.echo(json.dumps(json.loads(encode(found)), indent=2))
    elif found.is_empty:
        typer.echo("The same in all that is compared.")
    else:
        console().print(difference_table(found))
    for what in found.left_out:
        complain(f"Not compared: {what}.")
    if not found.is_empty:
        raise typer.Exit(1)


async def _compared(settings: Settings, *named: ImageReference) -> Difference:
    async with open_state(settings) as state, open_upstream(settings, state.database) as upstream:
        before, after = [(image.repository, await resolve(settings, state, image)) for image in named]
        return await difference(state.database, state.replay, upstream, before, after)


async def _local_sbom(settings: Settings, image: ImageReference, form: SbomFormat) -> bytes:
    async with open_state(settings) as state:
        digest = await resolve(settings, state, image)
        return await bill_of_materials(state.database, image.repository, digest, form)


async def _known(settings: Settings, image: ImageReference) -> tuple[Known, ...]:
    async with open_state(settings) as state:
        digest = await resolve(settings, state, image)
        return await known_of(state.database, state.replay, image.repository, digest)


def _tables(case: Case) -> Iterator[Table]:
    for found in image_tables(case):
        table = Table(*found.columns, title=found.title, box=None)
        for row in found.rows:
            table.add_row(*map(printable, row))
        yield table
