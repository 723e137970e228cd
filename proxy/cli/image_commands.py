"""`imagegate image list|show|sbom|diff|vet`: what is in an image, as the gate saw it, and what it decided about it."""

import asyncio
import json
from typing import Annotated, Any

import typer
from rich.table import Table

from config.settings import Settings
from proxy.cli.difference_table import difference_table
from proxy.cli.find_image import behind_gate
from proxy.cli.gate_client import GateOption, TokenOption, gate_client
from proxy.cli.image_list import list_images
from proxy.cli.local_state import LocalState, open_state, open_upstream, resolve
from proxy.cli.output import complain, console, printable, terminal_width
from proxy.cli.session import settings_for
from proxy.cli.vet_command import vet
from proxy.errors import BadRequestError, ManifestUnknownError
from proxy.gate.content import read_blob
from proxy.gate.inventory import bill_of_materials, only_image
from proxy.gate.report import Explained, record_of, report
from proxy.upstream.port import Upstream
from scanning.advisories.model import Finding
from scanning.contents import programs_of
from scanning.difference import Difference, Side, compare
from scanning.documents import encode
from scanning.facts import LayerFacts
from scanning.hardening.belongings import changed_weaknesses, unowned_weaknesses
from scanning.oci.names import ImageReference
from scanning.oci.read import MAX_CONFIG_BYTES, read_config
from scanning.rules.case import Case
from scanning.sbom import SbomFormat
from scanning.verdict import Verdict
from storage import layers, verdicts


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    commands = typer.Typer(help="What is in the images behind the gate.", no_args_is_help=True)
    commands.command("list")(list_images)
    commands.command("show")(_show)
    commands.command("sbom")(_sbom)
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
    cases = asyncio.run(_cases(settings, behind_gate(settings.public_origin, reference)))
    if as_json:
        typer.echo(json.dumps([_document(verdict, case) for verdict, case in cases], indent=2))
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
    gate: GateOption = "",
    token: TokenOption = "",
) -> None:
    """Print an image's bill of materials: every package, where it was found, and its licence."""
    if client := gate_client(gate, token):
        document = client.sbom(behind_gate(client.url, reference), form)
    else:
        settings = settings_for(context)
        document = _local_sbom(settings, behind_gate(settings.public_origin, reference), form)
    typer.echo(asyncio.run(document), nl=False)


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
    difference = asyncio.run(_compared(settings, *images))
    if as_json:
        typer.echo(json.dumps(json.loads(encode(difference)), indent=2))
    elif difference.is_empty:
        typer.echo("The same in all that is compared.")
    else:
        console().print(difference_table(difference))
    for what in difference.left_out:
        complain(f"Not compared: {what}.")
    if not difference.is_empty:
        raise typer.Exit(1)


async def _compared(settings: Settings, before: ImageReference, after: ImageReference) -> Difference:
    async with open_state(settings) as state, open_upstream(settings, state.database) as upstream:
        return compare(
            await _side(settings, state, upstream, before),
            await _side(settings, state, upstream, after),
        )


async def _side(settings: Settings, state: LocalState, upstream: Upstream, image: ImageReference) -> Side:
    """All that is known of the only image that a reference means, and what its last verdict knew of advisories."""
    digest = await resolve(settings, state, image)
    async with state.database.snapshot() as tx:
        verdict = await only_image(tx, image.repository, digest)
    case, _ = await state.replay.case(verdict)
    if case.facts is None:
        raise BadRequestError(f"{image} is no image: nothing was inspected that could be compared")
    async with state.database.snapshot() as tx:
        known = await layers.find(tx, case.facts.layers)
    found = [known.get(layer) for layer in case.facts.layers]
    read = [layer for layer in found if isinstance(layer, LayerFacts)]
    programs = await asyncio.to_thread(programs_of, read) if len(read) == len(found) else None
    config = case.manifest.config
    body = await read_blob(upstream, image.repository, config, MAX_CONFIG_BYTES) if config else None
    return Side(
        case.facts, case.advisories, case.heritage.name, read_config(body) if body is not None else None, programs
    )


async def _local_sbom(settings: Settings, image: ImageReference, form: SbomFormat) -> bytes:
    async with open_state(settings) as state:
        digest = await resolve(settings, state, image)
        return await bill_of_materials(state.database, image.repository, digest, form)


async def _cases(settings: Settings, image: ImageReference) -> list[tuple[Verdict, Case]]:
    """The image's last verdict and what it was made of; for an index, those of its images as well."""
    async with open_state(settings) as state:
        digest = await resolve(settings, state, image)
        async with state.database.snapshot() as tx:
            newest = await verdicts.latest(tx, image.repository, digest)
        if newest is None:
            raise ManifestUnknownError(f"{image} was never judged: pull it through the gate once")
        found = [newest]
        for child in newest.inputs.children:
            found.append(await state.replay.get(child))  # noqa: PERF401 (an await for each)
        return [(verdict, (await state.replay.case(verdict))[0]) for verdict in found]


def _tables(case: Case) -> list[Table]:
    facts = case.facts
    if facts is None:
        return []
    heritage = case.heritage

    def whose(*, inherited: bool) -> str:
        """Who brought it: known only where the image is built on an approved base."""
        return ("base" if inherited else "image") if heritage.base else ""

    packages = Table(
        "package", "version", "purl", "from", "brought by", title=f"Packages ({len(facts.packages)})", box=None
    )
    for package in facts.packages:
        owner = whose(inherited=heritage.has(package))
        packages.add_row(*map(printable, (package.name, package.version, package.purl, package.path, owner)))
    tools = Table("tool", "kind", "path", "package", "brought by", title=f"Tools ({len(facts.tools)})", box=None)
    for tool in facts.tools:
        owner = whose(inherited=heritage.has_layer(tool.layer))
        tools.add_row(*map(printable, (tool.name, tool.kind, tool.path, tool.package, owner)))
    weak = (*facts.weaknesses, *unowned_weaknesses(facts.unowned), *changed_weaknesses(facts.changed))
    weaknesses = Table("check", "where", "what", "brought by", title=f"Weaknesses ({len(weak)})", box=None)
    for weakness in weak:
        owner = whose(inherited=heritage.has_layer(weakness.layer)) if weakness.layer else ""
        weaknesses.add_row(*map(printable, (weakness.check, weakness.where, weakness.detail, owner)))
    findings = Table(
        "id",
        "package",
        "version",
        "severity",
        "fixed in",
        "attacks",
        "brought by",
        title=f"Findings ({len(case.advisories.findings)})",
        box=None,
    )
    for finding in case.advisories.findings:
        findings.add_row(
            finding.name,
            finding.package,
            finding.version,
            "malicious" if finding.malicious else finding.severity,
            finding.fixed_version or "no fix",
            _attacks(finding),
            whose(inherited=heritage.has_purl(finding.purl)),
        )
    signatures = Table("signer", "format", "over", title=f"Signatures ({len(case.signatures.verified)})", box=None)
    for verified in case.signatures.verified:
        signatures.add_row(verified.signer, verified.format, str(verified.subject))
    for failed in case.signatures.failed:
        signatures.add_row("not counted", printable(failed.reason), str(failed.manifest))
    return [packages, tools, weaknesses, findings, signatures]


def _attacks(finding: Finding) -> str:
    """Whether it is known to be exploited, and how probable attacks are."""
    known = "known" if finding.exploited else ""
    probable = f"EPSS {finding.forecast.probability:.2f}" if finding.forecast else ""
    return ", ".join(part for part in (known, probable) if part)


def _document(verdict: Verdict, case: Case) -> dict[str, Any]:
    return {
        "verdict": json.loads(encode(verdict)),
        "facts": json.loads(encode(case.facts)) if case.facts else None,
        "advisories": json.loads(encode(case.advisories)),
        "signatures": json.loads(encode(case.signatures)),
        "base": _base(case),
    }


def _base(case: Case) -> dict[str, Any] | None:
    """The approved base image, and which packages of the image it brought."""
    heritage = case.heritage
    if heritage.base is None or case.facts is None:
        return None
    inherited = sorted({package.purl for package in case.facts.packages if heritage.has(package)})
    return {"name": heritage.name, "layers": len(heritage.base.content.layers), "packages": inherited}
