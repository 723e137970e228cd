"""One image is found and judged as the gate would, over records that are thrown away."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn

from config.defaults import Profile, profile_text
from config.policy import Policy
from config.policy_file import load_policy, load_policy_file
from config.settings import Settings
from proxy.cli.check_question import Asked
from proxy.cli.find_image import FoundImage, find_image
from proxy.cli.local_database import approvals_of, open_gate_records
from proxy.cli.output import complain
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
from proxy.inspection.pool import InspectionPool
from proxy.malware.build import malware_scanner
from proxy.upstream.port import BlobStream, StoredManifest
from scanning.oci.digest import Digest
from scanning.oci.names import Reference, Repository
from scanning.oci.read import read_manifest
from storage.database import Database
from storage.snapshots import Snapshots


async def judge_image(settings: Settings, asked: Asked, starting: asyncio.Task[InspectionPool]) -> Judgement:
    """What the gate would say; the image's layers are read by the workers that are `starting`.

    Raises the `ImagegateError` family.
    """
    rules = _policy(settings, asked.policy)
    policy = _without_signatures(rules) if asked.before_signing else rules
    async with find_image(settings, asked.image, asked.repository) as found:
        stored = await found.source.get_manifest(found.repository, found.reference)
        if stored is None:
            raise ManifestUnknownError(f"there is no image {asked.image}")
        manifest = read_manifest(stored.body, stored.media_type, stored.digest.algorithm)
        async with (
            open_gate_records(settings) as records,
            _judge_of(settings, found, policy, records, starting) as judge,
        ):
            judgement = await judge.judge(found.judged_as, manifest, stored.body)
            check_complete(judgement)
            return judgement


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
