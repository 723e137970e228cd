"""`imagegate package vet|list|revoke`: packages that count as vetted because an admin approved them."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from config.errors import ImagegateError
from config.settings import Settings
from proxy.cli.approvals import OwnerOption, ReasonOption, act, approve_after_asking, print_approvals, revoke
from proxy.cli.gate_options import GateCommand, at_its_address
from proxy.cli.local_database import open_database
from proxy.cli.output import printable
from proxy.cli.session import settings_for
from proxy.gate.approving import Act
from scanning.approvals import ApprovalKind
from scanning.sbom.read import MAX_BYTES, ListedPackages, read_sbom
from storage import approvals


class UnreadableFileError(ImagegateError):
    """A file that a person named cannot be read."""


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    commands = typer.Typer(help="Packages that count as vetted because an admin approved them.", no_args_is_help=True)
    commands.command("vet")(_vet)
    commands.command("list", cls=GateCommand)(_list)
    commands.command("revoke", cls=GateCommand)(_revoke)
    app.add_typer(commands, name="package")


def _vet(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="SBOM", help="A bill of materials: CycloneDX or SPDX 2.3, as JSON.")],
    repository: Annotated[
        list[str], typer.Option(help="Where they count as vetted: a pattern of repositories; may be repeated.")
    ],
    reason: ReasonOption,
    owner: OwnerOption = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Approve the packages of a bill of materials, after showing those that are not approved yet."""
    approved, settings = act(reason, owner, repository), settings_for(context)
    listed = _read(file)
    new = asyncio.run(_unapproved(settings, listed, approved))
    if listed.unnamed:
        typer.echo(f"{listed.unnamed} entries name no package and version by a purl; they are left out.", err=True)
    if not new:
        typer.echo(f"All of its {len(listed.purls)} packages are approved there already.")
        return
    where = ", ".join(map(str, approved.repositories))
    typer.echo(f"{len(new)} of its {len(listed.purls)} packages are not approved for {where} yet:")
    for purl in new:
        typer.echo(printable(f"  {purl}"))
    approve_after_asking(context, file.name, new, approved, yes=yes)


def _list(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """List approvals of packages, the newest first, revoked ones too."""
    none = "No approved packages yet: imagegate image vet REF --reason WHY"
    print_approvals(context, ApprovalKind.PACKAGES, none, as_json=as_json)


def _revoke(
    context: typer.Context,
    approval_id: Annotated[str, typer.Argument(metavar="ID", help="The id package list shows.")],
) -> None:
    """Take an approval of packages back. Images that hold them are judged again when they are next pulled."""
    name = revoke(context, approval_id)
    typer.echo(printable(f"The packages of {name} are not approved any more{at_its_address(context)} ({approval_id})."))


def _read(file: Path) -> ListedPackages:
    try:
        with file.open("rb") as opened:
            return read_sbom(opened.read(MAX_BYTES + 1))
    except OSError as error:
        raise UnreadableFileError(f"{file} cannot be read: {error.strerror or error}") from error


async def _unapproved(settings: Settings, listed: ListedPackages, approved: Act) -> list[str]:
    """Those that no approval in force covers which holds at least where this one is to hold."""
    async with open_database(settings) as database, database.snapshot() as tx:
        known = await approvals.in_force(tx)
    wanted = set(approved.repositories)
    covered = {purl for approval, purls in known.sets if wanted <= set(approval.repositories) for purl in purls}
    return [purl for purl in listed.purls if purl not in covered]
