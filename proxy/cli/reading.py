"""An image is found, and its layers are read, while the command still loads what it judges with."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn

from config.settings import Settings
from proxy.cli.check_question import Asked
from proxy.cli.find_image import FoundImage, find_image
from proxy.errors import ManifestUnknownError
from proxy.gate.knowledge import Knowledge
from proxy.gate.layers import LayerInspector, largest_first
from proxy.gate.passing import PassingKnowledge
from proxy.inspection.build import inspection_pool
from proxy.inspection.nursery import Template
from proxy.inspection.pool import InspectionPool
from proxy.upstream.port import BlobStream, ContentSource, StoredManifest
from scanning.oci.digest import Digest
from scanning.oci.manifest import Manifest, ManifestKind
from scanning.oci.names import Reference, Repository
from scanning.oci.read import read_manifest


@dataclass(frozen=True, slots=True)
class ImageInReading:
    """An image that was found: its manifest, the repository to judge it under, where its content is, and what comes to
    be known of it.
    """

    repository: Repository
    manifest: Manifest
    body: bytes
    source: ContentSource
    knowledge: Knowledge
    layers: LayerInspector


@asynccontextmanager
async def inspection_workers(
    settings: Settings, preparing: asyncio.Task[Template]
) -> AsyncIterator[asyncio.Task[InspectionPool]]:
    """The inspection workers, which start while the image is looked for, of the template that is `preparing`."""
    pool = inspection_pool(settings.inspection, takes_uploads=False)
    starting = asyncio.create_task(_started(pool, preparing))
    try:
        yield starting
    finally:
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        await pool.close()


async def _started(pool: InspectionPool, preparing: asyncio.Task[Template]) -> InspectionPool:
    await pool.start(await preparing)
    return pool


@asynccontextmanager
async def open_image(
    settings: Settings, asked: Asked, starting: asyncio.Task[InspectionPool]
) -> AsyncIterator[ImageInReading]:
    """Find the image, and begin to read its layers with the workers that are `starting`. Nothing that is found is kept
    longer than this lasts.

    Raises the `ImagegateError` family. What goes wrong with a layer is told to whoever asks for it.
    """
    async with find_image(settings, asked.image, asked.repository) as found:
        stored = await found.source.get_manifest(found.repository, found.reference)
        if stored is None:
            raise ManifestUnknownError(f"there is no image {asked.image}")
        manifest = read_manifest(stored.body, stored.media_type, stored.digest.algorithm)
        with _progress() as progress:
            source, knowledge, pool = _Watched(found, progress), PassingKnowledge(), await starting
            layers = LayerInspector(knowledge, source, pool)
            image = ImageInReading(found.judged_as, manifest, stored.body, source, knowledge, layers)
            reading = asyncio.create_task(read_layers(image, pool))
            try:
                yield image
            finally:
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)


async def read_layers(image: ImageInReading, pool: InspectionPool) -> None:
    """Read what will be asked for, of an image; an index and its images are read in the order of judging.

    Workers go once nothing is left for them, and all of them before layers are put together: what they hold is memory
    that this process needs then.
    """
    layers = image.manifest.layers
    if image.manifest.kind is not ManifestKind.IMAGE or any(layer.may_lie_elsewhere for layer in layers):
        return
    wanted = tuple(dict.fromkeys(largest_first(layers)))
    reading = [asyncio.create_task(image.layers.outcomes(image.repository, (layer,))) for layer in wanted]
    try:
        left = len(wanted)
        for read in asyncio.as_completed(reading):
            await pool.shrink(max(1, left))
            await read
            left -= 1
    finally:
        for task in reading:  # the inspections themselves go on
            task.cancel()
        await asyncio.gather(*reading, return_exceptions=True)
    if set(wanted) <= (await image.knowledge.layers(wanted)).keys():
        await pool.close()


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
