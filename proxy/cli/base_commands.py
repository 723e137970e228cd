"""`imagegate base approve|list|show|revoke`: the images that others may be built on."""

import asyncio
import json
from typing import Annotated

import typer

from config.settings import Settings
from proxy.cli.approvals import PATH, OwnerOption, ReasonOption, RepositoryOption, act, print_approvals, revoke
from proxy.cli.find_image import behind_gate
from proxy.cli.gate_options import GateCommand, asked_gate, at_gate, at_its_address
from proxy.cli.local_database import open_database
from proxy.cli.local_state import open_upstream
from proxy.cli.output import command_line, printable
from proxy.cli.session import settings_for
from proxy.errors import NotFoundError
from proxy.gate.approving import Act, approve_base, meant, read_base
from scanning.approvals import ApprovalKind, BaseContent
from scanning.documents import encode
from scanning.oci.names import ImageReference
from storage import approvals
from storage.approvals import ApprovalRecord


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    commands = typer.Typer(help="Approved base images: what others may be built on.", no_args_is_help=True)
    commands.command("approve", cls=GateCommand)(_approve)
    commands.command("list", cls=GateCommand)(_list)
    commands.command("show")(_show)
    commands.command("revoke", cls=GateCommand)(_revoke)
    app.add_typer(commands, name="base")


def _approve(
    context: typer.Context,
    reference: Annotated[str, typer.Argument(metavar="REF", help="base/debian:12 or base/debian@sha256:…")],
    reason: ReasonOption,
    owner: OwnerOption = "",
    repository: RepositoryOption = None,
) -> None:
    """Approve an image behind the gate, or all images of an index, as a base image."""
    if client := asked_gate(context):
        image = behind_gate(client.url, reference)
        wish = {"image": str(image), "reason": reason, "owner": owner, "repositories": repository or ["**"]}
        for one in asyncio.run(client.send("POST", PATH, wish)).read("approvals")["approvals"]:
            revoke_it = f"{command_line(context)} base revoke {one['id']}{at_gate(context)}"
            typer.echo(printable(f"{one['name']} is an approved base; revoke: {revoke_it}"))
        return
    settings = settings_for(context)
    image = behind_gate(settings.public_origin, reference)
    made = asyncio.run(_approved(settings, image, act(reason, owner, repository or ["**"])))
    for record, content in made:
        typer.echo(
            f"{image} ({content.platform}) is an approved base: {len(content.diff_ids)} layers,"
            f" {len(content.packages)} packages, as {content.repository}@{content.manifest};"
            f" revoke: {command_line(context)} base revoke {record.approval.id}"
        )


def _list(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """List approved base images, the newest first, revoked ones too."""
    none = "No approved base images yet: imagegate base approve REF --reason WHY"
    print_approvals(context, ApprovalKind.BASE, none, as_json=as_json)


def _show(
    context: typer.Context,
    approval_id: Annotated[str, typer.Argument(metavar="ID", help="The id base list shows.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Show what an approved base image holds, and who approved it."""
    record, content = asyncio.run(_kept(settings_for(context), approval_id))
    if as_json:
        document = {"approval": json.loads(encode(record)), "content": json.loads(encode(content))}
        typer.echo(json.dumps(document, indent=2))
        return
    revoked = f"{record.revoked_at:%Y-%m-%d %H:%M} UTC by {record.revoked_by}" if record.revoked_at else "no"
    for title, said in (
        ("image", f"{record.approval.name}, {content.repository}@{content.manifest}"),
        ("platform", f"{content.platform} {content.distribution}"),
        ("holds in", " ".join(map(str, record.approval.repositories))),
        ("owner", record.owner),
        ("reason", record.reason),
        ("approved", f"{record.approved_at:%Y-%m-%d %H:%M} UTC by {record.approved_by}"),
        ("revoked", revoked),
        *((f"layer {number}", str(diff_id)) for number, diff_id in enumerate(content.diff_ids, start=1)),
    ):
        typer.echo(printable(f"{title:<10}{said}"))
    typer.echo(f"packages  {len(content.packages)}")
    for purl in content.packages:
        typer.echo(printable(f"          {purl}"))


def _revoke(
    context: typer.Context, approval_id: Annotated[str, typer.Argument(metavar="ID", help="The id base list shows.")]
) -> None:
    """Take an approval back. What was built on it is judged again, within seconds or when it is next pulled."""
    name = revoke(context, approval_id)
    typer.echo(printable(f"{name} is no approved base any more{at_its_address(context)} ({approval_id})."))


async def _approved(
    settings: Settings, image: ImageReference, approved: Act
) -> list[tuple[ApprovalRecord, BaseContent]]:
    async with open_database(settings) as database:
        async with open_upstream(settings, database) as upstream:
            digest = await meant(database, upstream, image)
        records = await approve_base(database, image, digest, approved)
        return [(record, await read_base(database, record)) for record in records]


async def _kept(settings: Settings, approval_id: str) -> tuple[ApprovalRecord, BaseContent]:
    async with open_database(settings) as database:
        async with database.snapshot() as tx:
            record = await approvals.get(tx, approval_id)
        if record is None or record.approval.kind is not ApprovalKind.BASE:
            raise NotFoundError(f"there is no approved base image {approval_id}; imagegate base list shows them")
        return record, await read_base(database, record)
