"""`imagegate image vet REF`: approve what an image adds to what is vetted, after showing it."""

import asyncio
from dataclasses import dataclass, replace
from typing import Annotated

import typer
from rich.table import Table

from config.policy import Policy
from config.policy_file import load_policy_file
from config.settings import Settings
from proxy.cli.approvals import OwnerOption, ReasonOption, RepositoryOption, act, approve_after_asking
from proxy.cli.local_state import open_state, resolve
from proxy.cli.output import console, printable
from proxy.cli.session import settings_for
from proxy.clock import utc_now
from proxy.errors import BadRequestError
from proxy.gate.inventory import images_of
from scanning.facts import ImageFacts, Package
from scanning.oci.names import ImageReference
from scanning.rules.packages import unvetted_packages
from scanning.rules.question import Question
from storage import approvals


@dataclass(frozen=True, slots=True)
class Addition:
    """The packages of one image that are not vetted."""

    facts: ImageFacts
    packages: tuple[Package, ...]


def vet(
    context: typer.Context,
    reference: Annotated[str, typer.Argument(metavar="REF", help="team/app:1.2 or team/app@sha256:…")],
    reason: ReasonOption,
    owner: OwnerOption = "",
    repository: RepositoryOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Approve what an image adds: show the packages that are not vetted, ask, and count them as vetted from then on."""
    image, settings = ImageReference.parse(reference), settings_for(context)
    approved = act(reason, owner, repository or [str(image.repository)])
    policy = load_policy_file(settings.policy_path)
    added = asyncio.run(_additions(settings, image, policy))
    new = [package for addition in added for package in addition.packages]
    if not new:
        typer.echo(f"{image} holds nothing that is not vetted in {image.repository}.")
        return
    screen = console()
    for addition in added:
        screen.print(_table(image, addition))
        screen.print()
    purls = sorted({package.purl for package in new})
    where = ", ".join(map(str, approved.repositories))
    typer.echo(f"These {len(purls)} count as vetted in {where} then, in these versions, until that is revoked.")
    approve_after_asking(settings, str(image), purls, approved, yes=yes)


def _table(image: ImageReference, addition: Addition) -> Table:
    title = f"{image} ({addition.facts.platform}): {len(addition.packages)} packages are not vetted"
    table = Table("package", "version", "licence", "purl", "from", title=title, box=None, title_justify="left")
    for package in addition.packages:
        step = addition.facts.step_of(package.layer)
        cells = (
            f"{package.type} {package.name}",
            package.version,
            ", ".join(package.licences),
            package.purl,
            f"{package.path} ({step})" if step else package.path,
        )
        table.add_row(*map(printable, cells))
    return table


async def _additions(settings: Settings, image: ImageReference, policy: Policy) -> list[Addition]:
    """What the policy and the approvals of now leave unvetted, in each image that `image` means."""
    rule = policy.rule_for(image.repository.name)
    if rule is None or rule.require.vetted_packages is None:
        raise BadRequestError(
            f"the policy does not ask for vetted packages in {image.repository}, so there is nothing to approve; see"
            " require.vetted_packages"
        )
    now, found = utc_now(), []
    async with open_state(settings) as state:
        digest = await resolve(settings, state, image)
        async with state.database.snapshot() as tx:
            images = await images_of(tx, image.repository, digest)
            known = await approvals.in_force(tx)
        for verdict in images:
            case, _ = await state.replay.case(verdict)
            if case.facts is not None:
                waivers = policy.waivers_for(case.repository, str(verdict.digest), now)
                question = Question(replace(case, approvals=known), rule, waivers, now)
                found.append(Addition(case.facts, _new(question)))
    return found


def _new(question: Question) -> tuple[Package, ...]:
    return tuple(package for package in unvetted_packages(question) if not question.package_waived(package))
