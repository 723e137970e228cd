"""`imagegate check IMAGE`: what would the gate say? For developers and CI, before anything is pushed.

Exit status: 0 admitted, 1 refused or quarantined, 2 could not judge.

Only what starting the workers needs is imported here. They have much to load themselves, and meanwhile this process
loads what finding an image needs; then, while its layers are read, what judging needs.
"""

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from config.settings import Settings
from proxy.cli.check_question import Asked, Format
from proxy.cli.output import headed, terminal_width
from proxy.cli.session import settings_for
from proxy.inspection.build import inspection_pool
from proxy.inspection.pool import InspectionPool

if TYPE_CHECKING:
    from proxy.cli.reading import ImageInReading
    from proxy.gate.judgement import Judgement

OpenImage: TypeAlias = (
    "Callable[[Settings, Asked, asyncio.Task[InspectionPool]], AbstractAsyncContextManager[ImageInReading]]"
)
JudgeImage: TypeAlias = "Callable[[Settings, Asked, ImageInReading], Awaitable[Judgement]]"

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
    settings = settings_for(context)
    asked = Asked(image, repository, policy, before_signing)
    judgement = asyncio.run(_judge(settings, asked))
    from proxy.cli.check_answer import answer, is_admitted  # noqa: PLC0415 - as for judging

    notes = [_BEFORE_SIGNING] if before_signing else []
    if Path(image).exists() and any(told.rule == _SIGNATURES for told in judgement.verdict.violations):
        notes.append(_UNSIGNED_YET)
    is_good = is_admitted(judgement)
    said = answer(judgement, output, notes, terminal_width())
    typer.echo(headed(said, is_good=is_good) if output is Format.TABLE else said, nl=False)
    if not is_good:
        raise typer.Exit(1)


async def _judge(settings: Settings, asked: Asked) -> "Judgement":
    async with _workers(settings) as starting:
        open_image = await asyncio.to_thread(_what_opens)
        async with open_image(settings, asked, starting) as image:
            judge_image = await asyncio.to_thread(_what_judges)
            return await judge_image(settings, asked, image)


def _what_opens() -> OpenImage:
    from proxy.cli.reading import open_image  # noqa: PLC0415 - takes as long as the workers

    return open_image


def _what_judges() -> JudgeImage:
    """Takes longer than all before; layers are read meanwhile."""
    from proxy.cli import check_answer  # noqa: F401, PLC0415 - needed at the end
    from proxy.cli.checking import judge_image  # noqa: PLC0415

    return judge_image


@asynccontextmanager
async def _workers(settings: Settings) -> AsyncIterator[asyncio.Task[InspectionPool]]:
    """The inspection workers, which start while the image is looked for."""
    pool = inspection_pool(settings.inspection, takes_uploads=False)
    starting = asyncio.create_task(_started(pool))
    try:
        yield starting
    finally:
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        await pool.close()


async def _started(pool: InspectionPool) -> InspectionPool:
    await pool.start()
    return pool
