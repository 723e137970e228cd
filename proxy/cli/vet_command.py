"""`imagegate image vet REF`: approve what an image adds to what is vetted, after showing it.

Packages are approved. What else the image adds is shown, since whoever approves should know what comes along.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Annotated

import typer
from rich.table import Table

from config.policy import Policy
from config.policy_file import load_policy_file
from config.settings import Settings
from proxy.cli.approvals import OwnerOption, ReasonOption, RepositoryOption, act, approve_after_asking
from proxy.cli.find_image import behind_gate
from proxy.cli.local_state import open_state, resolve
from proxy.cli.output import console, printable
from proxy.cli.session import settings_for
from proxy.clock import utc_now
from proxy.errors import BadRequestError
from proxy.gate.inventory import images_of
from proxy.gate.recorded import RecordedKnowledge
from proxy.gate.sightings import SightingDesk
from proxy.gate.waiving import in_force_now
from scanning.facts import ImageFacts, Package
from scanning.hardening.belongings import unowned_weaknesses
from scanning.hardening.catalogue import CHECKS
from scanning.heritage import Heritage
from scanning.oci.names import ImageReference
from scanning.rules.ages import young_packages
from scanning.rules.names import lookalikes
from scanning.rules.packages import unvetted_packages
from scanning.rules.question import Question
from storage import approvals

_MOST_SHOWN = 30
"""Of each kind of thing beside packages."""


@dataclass(frozen=True, slots=True)
class Addition:
    """What one image adds: the packages that are not vetted, and what its base, if it is built on an approved one, did
    not bring.
    """

    facts: ImageFacts
    heritage: Heritage
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
    settings = settings_for(context)
    image = behind_gate(settings.public_origin, reference)
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
        for line in _beside_packages(addition):
            typer.echo(printable(line))
        typer.echo()
    purls = sorted({package.purl for package in new})
    where = ", ".join(map(str, approved.repositories))
    typer.echo(f"These {len(purls)} count as vetted in {where} then, in these versions, until that is revoked.")
    approve_after_asking(context, str(image), purls, approved, yes=yes)


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


def _beside_packages(addition: Addition) -> Iterator[str]:
    """The tools, executables and settings that come along, by name and place."""
    facts, heritage = addition.facts, addition.heritage
    unowned = [file for file in facts.unowned if not heritage.has_layer(file.layer)]
    weaknesses = [one for one in facts.weaknesses if not heritage.has_layer(one.layer)]
    whose = f"beyond {heritage.name}" if heritage.base else "in all of it, since it is built on no approved base"
    yield from _listed(
        f"tools {whose}",
        [f"{tool.kind} {tool.name} in {tool.path}" for tool in facts.tools if not heritage.has_layer(tool.layer)],
    )
    yield from _listed(
        f"executables that no package owns {whose}",
        [f"{one.where}: {one.detail}" for one in unowned_weaknesses(unowned)],
    )
    yield from _listed(
        f"settings and files that weaken it {whose}",
        [f"{one.check} {CHECKS[one.check].title} in {one.where}: {one.detail}" for one in weaknesses],
    )


def _listed(title: str, items: list[str]) -> Iterator[str]:
    if not items:
        return
    yield ""
    yield f"Also {title} ({len(items)}), which this does not approve:"
    yield from (f"  {item}" for item in items[:_MOST_SHOWN])
    if len(items) > _MOST_SHOWN:
        yield f"  and {len(items) - _MOST_SHOWN} more"


async def _additions(settings: Settings, image: ImageReference, policy: Policy) -> list[Addition]:
    """What the policy and the approvals of now leave unvetted, in each image that `image` means."""
    rule = policy.rule_for(image.repository.name)
    if rule is None or not (rule.require.vetted_packages or rule.require.minimum_age or rule.deny.typosquats):
        raise BadRequestError(
            f"the policy does not ask for vetted packages in {image.repository}, so there is nothing to approve; see"
            " require.vetted_packages, require.minimum_age and deny.typosquats"
        )
    now, found = utc_now(), []
    async with open_state(settings) as state:
        digest = await resolve(settings, state, image)
        sightings = SightingDesk(RecordedKnowledge(state.database, utc_now))
        beside = await in_force_now(state.database, utc_now)
        async with state.database.snapshot() as tx:
            images = await images_of(tx, image.repository, digest)
            known = await approvals.in_force(tx)
        for verdict in images:
            case, _ = await state.replay.case(verdict)
            if case.facts is not None:
                seen = await sightings.look(image.repository, verdict.digest, case.facts, rule, now)
                waivers = policy.with_waivers(beside).waivers_for(case.repository, str(verdict.digest), now)
                today = replace(case, approvals=known, sightings=seen.sightings)
                found.append(Addition(case.facts, today.heritage, _new(Question(today, rule, waivers, now))))
    return found


def _new(question: Question) -> tuple[Package, ...]:
    new = {package.purl: package for package in unvetted_packages(question)}
    new |= {package.purl: package for package, _ in young_packages(question)}
    new |= {package.purl: package for package, meant in lookalikes(question) if meant}
    return tuple(package for package in new.values() if not question.package_waived(package))
