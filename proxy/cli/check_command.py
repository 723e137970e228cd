"""`imagegate check IMAGE`: what would the gate say? For developers and CI, before anything is pushed.

Exit status: 0 admitted, 1 refused or quarantined, 2 could not judge.

Only what starting the template of the workers needs is imported here. It has much to load itself, and meanwhile this
process loads what finding an image needs; then, while its layers are read, what judging needs.
"""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from proxy.cli.check_question import Asked, Format
from proxy.cli.output import headed, terminal_width
from proxy.inspection.nursery import Template

if TYPE_CHECKING:
    from proxy.gate.judgement import Judgement

_BEFORE_SIGNING = "signatures were not asked for (--before-signing): sign it after the push"
_UNSIGNED_YET = "an image on disk has no signatures yet: --before-signing asks what the gate says of the rest"
_SIGNATURES = "require.signatures"
_COLLECT_AFTER = 100_000
"""Allocations. Facts are many small values without a cycle, and the process ends with its answer."""


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("check")(_check)


def _check(
    context: typer.Context,
    image: Annotated[
        str, typer.Argument(metavar="IMAGE", help="An OCI layout folder, an oci-archive file, or a reference.")
    ],
    repository: Annotated[str, typer.Option(help="Judge it as if pushed to this repository, such as team/app.")] = "",
    policy: Annotated[
        Path | None, typer.Option(help="A policy file; else the gate's own, else the evaluation profile.")
    ] = None,
    before_signing: Annotated[
        bool, typer.Option("--before-signing", help="Do not ask for signatures: it will be signed after the push.")
    ] = False,
    output: Annotated[
        Format, typer.Option("--format", help="table for people, json for programs, sarif for code hosts.")
    ] = Format.TABLE,
) -> None:
    """Ask what the gate would say about an image. Status 0: admitted, 1: refused or quarantined, 2: cannot judge."""
    gc.set_threshold(_COLLECT_AFTER)
    asked = Asked(image, repository, policy, before_signing)
    judgement = asyncio.run(_judge(context, asked))
    from proxy.cli.check_answer import answer, is_admitted  # noqa: PLC0415 - loaded by now

    notes = [_BEFORE_SIGNING] if before_signing else []
    if Path(image).exists() and any(told.rule == _SIGNATURES for told in judgement.verdict.violations):
        notes.append(_UNSIGNED_YET)
    is_good = is_admitted(judgement)
    said = answer(judgement, output, notes, terminal_width())
    typer.echo(headed(said, is_good=is_good) if output is Format.TABLE else said, nl=False)
    if not is_good:
        raise typer.Exit(1)


async def _judge(context: typer.Context, asked: Asked) -> "Judgement":
    async with starting_template() as preparing:
        await _load("proxy.cli.reading", "proxy.cli.session")
        from proxy.cli.reading import inspection_workers, open_image  # noqa: PLC0415
        from proxy.cli.session import settings_for  # noqa: PLC0415

        settings = settings_for(context)
        async with (
            inspection_workers(settings, preparing) as starting,
            open_image(settings, asked, starting) as image,
        ):
            await _load("proxy.cli.checking", "proxy.cli.check_answer")
            from proxy.cli.checking import judge_image  # noqa: PLC0415

            return await judge_image(settings, asked, image)


@asynccontextmanager
async def starting_template() -> AsyncIterator[asyncio.Task[Template]]:
    """The template of the workers, which starts beside whatever is done with it; it is gone afterwards."""
    preparing = asyncio.create_task(Template.start())
    try:
        yield preparing
    finally:
        preparing.cancel()
        (started,) = await asyncio.gather(preparing, return_exceptions=True)
        if isinstance(started, Template):
            await started.close()


async def _load(*modules: str) -> None:
    """Import modules beside whatever else goes on."""
    for module in modules:
        await asyncio.to_thread(import_module, module)
