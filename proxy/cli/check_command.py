"""`imagegate check IMAGE`: what would the gate say? For developers and CI, before anything is pushed.

Exit status: 0 admitted, 1 refused or quarantined, 2 could not judge.
"""

import asyncio
import gc
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn

from config.defaults import Profile, profile_text
from config.policy import Policy
from config.policy_file import load_policy, load_policy_file
from config.settings import Settings
from proxy.cli.check_report import check_report, is_admitted
from proxy.cli.find_image import FoundImage, find_image
from proxy.cli.local_state import approvals_of, open_gate_records
from proxy.cli.output import complain, headed, terminal_width
from proxy.cli.sarif import sarif
from proxy.cli.session import settings_for
from proxy.clock import utc_now
from proxy.errors import ManifestUnknownError
from proxy.gate.advisories import AdvisoryDesk
from proxy.gate.blob_scans import BlobScans
from proxy.gate.images import ImageInspector
from proxy.gate.judgement import Judge, Judgement, OnRecord, check_complete
from proxy.gate.layers import LayerInspector
from proxy.gate.malware import MalwareDesk
from proxy.gate.policy import in_force
from proxy.gate.sightings import SightingDesk
from proxy.gate.signatures import SignatureFinder
from proxy.inspection.build import inspection_pool
from proxy.inspection.pool import InspectionPool
from proxy.malware.build import malware_scanner
from proxy.upstream.port import BlobStream, StoredManifest
from scanning.documents import encode
from scanning.oci.digest import Digest
from scanning.oci.names import Reference, Repository
from scanning.oci.read import read_manifest
from storage.database import Database
from storage.snapshots import Snapshots

_BEFORE_SIGNING = "signatures were not asked for (--before-signing): sign it after the push"
_UNSIGNED_YET = "an image on disk has no signatures yet: --before-signing asks what the gate says of the rest"
_SIGNATURES = "require.signatures"
_COLLECT_AFTER = 100_000
"""Allocations. Facts are many small values without a cycle, and the process ends with its answer."""


class Format(StrEnum):
    """How the answer is printed."""

    TABLE = "table"
    JSON = "json"
    SARIF = "sarif"


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
    rules = _policy(settings, policy)
    judgement = asyncio.run(
        _judge(settings, image, repository, _without_signatures(rules) if before_signing else rules)
    )
    if output is Format.JSON:
        typer.echo(encode(judgement.verdict).decode())
    elif output is Format.SARIF:
        typer.echo(sarif(judgement))
    else:
        notes = [_BEFORE_SIGNING] if before_signing else []
        if Path(image).exists() and any(told.rule == _SIGNATURES for told in judgement.verdict.violations):
            notes.append(_UNSIGNED_YET)
        said = check_report(judgement, notes, terminal_width())
        typer.echo(headed(said, is_good=is_admitted(judgement)), nl=False)
    if not is_admitted(judgement):
        raise typer.Exit(1)


def _policy(settings: Settings, chosen: Path | None) -> Policy:
    if chosen is not None:
        return load_policy_file(chosen)
    if settings.policy_path.exists():
        return load_policy_file(settings.policy_path)
    complain(f"There is no policy at {settings.policy_path}: judging under the evaluation profile.")
    return load_policy(profile_text(Profile.EVALUATION), "evaluation.yaml")


def _without_signatures(policy: Policy) -> Policy:
    rules = tuple(
        rule.model_copy(update={"require": rule.require.model_copy(update={"signatures": None})})
        for rule in policy.rules
    )
    return policy.model_copy(update={"rules": rules})


async def _judge(settings: Settings, named: str, repository: str, policy: Policy) -> Judgement:
    async with _workers(settings) as starting, find_image(settings, named, repository) as found:
        stored = await found.source.get_manifest(found.repository, found.reference)
        if stored is None:
            raise ManifestUnknownError(f"there is no image {named}")
        manifest = read_manifest(stored.body, stored.media_type, stored.digest.algorithm)
        async with (
            open_gate_records(settings) as records,
            _judge_of(settings, found, policy, records, starting) as judge,
        ):
            judgement = await judge.judge(found.judged_as, manifest, stored.body)
            check_complete(judgement)
            return judgement


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


@asynccontextmanager
async def _judge_of(
    settings: Settings,
    found: FoundImage,
    policy: Policy,
    records: Database | None,
    starting: asyncio.Task[InspectionPool],
) -> AsyncIterator[Judge]:
    """The gate's own judge, over a database that is thrown away."""
    with tempfile.TemporaryDirectory(prefix="imagegate-check-") as folder, _progress() as progress:
        database = await Database.make_temporary(Path(folder))
        source = _Watched(found, progress)
        try:
            pool = await starting
            layers = LayerInspector(database, source, pool, utc_now)
            images = ImageInspector(source, layers)
            scans = BlobScans(database, source, malware_scanner(settings.inspection), utc_now)
            rules = in_force(policy)
            yield Judge(
                database,
                source,
                images,
                SignatureFinder(database, source),
                AdvisoryDesk(Snapshots(settings.advisories_path)),
                OnRecord(
                    partial(approvals_of, records),
                    SightingDesk(records) if records else None,
                    MalwareDesk(scans, images, layers),
                ),
                lambda: rules,
                utc_now,
            )
        finally:
            await database.close()


def _progress() -> Progress:
    console = Console(stderr=True)
    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn()
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


class _Watched:
    """Reads where the image lies, whatever repository it is judged under, and moves a progress bar meanwhile."""

    def __init__(self, found: FoundImage, progress: Progress) -> None:
        self._source = found.source
        self._home = found.repository
        self._progress = progress

    async def get_manifest(self, _: Repository, reference: Reference) -> StoredManifest | None:
        return await self._source.get_manifest(self._home, reference)

    async def blob_size(self, _: Repository, digest: Digest) -> int | None:
        return await self._source.blob_size(self._home, digest)

    async def referrers(self, _: Repository, subject: Digest) -> tuple[StoredManifest, ...]:
        return await self._source.referrers(self._home, subject)

    @asynccontextmanager
    async def open_blob(
        self, _: Repository, digest: Digest, start: int = 0, end: int | None = None
    ) -> AsyncIterator[BlobStream | None]:
        async with self._source.open_blob(self._home, digest, start, end) as stream:
            if stream is None:
                yield None
                return
            task = self._progress.add_task(f"inspecting {digest.short}", total=stream.size)
            yield BlobStream(stream.size, stream.start, stream.end, self._count(stream, task))

    async def _count(self, stream: BlobStream, task: TaskID) -> AsyncIterator[bytes]:
        async for chunk in stream.chunks:
            self._progress.advance(task, len(chunk))
            yield chunk
