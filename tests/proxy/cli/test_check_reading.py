"""`imagegate check` reads an image's layers while it still loads what judges, and lets the workers go after that."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from config.settings import Settings
from proxy.cli.check_command import starting_template
from proxy.cli.check_question import Asked
from proxy.cli.find_image import find_image
from proxy.cli.reading import ImageInReading, open_image, read_layers
from proxy.gate.layers import LayerInspector, largest_first
from proxy.gate.passing import PassingKnowledge
from proxy.inspection.build import inspection_pool
from proxy.inspection.pool import InspectionPool
from proxy.upstream.port import BlobStream, ContentSource
from scanning.facts import LayerFacts
from scanning.layers.limits import InspectionLimits
from scanning.oci.digest import Digest
from scanning.oci.names import Repository
from scanning.oci.read import read_manifest
from tests.images import TestImage
from tests.proxy.cli.conftest import BOTH, CLEAN, WITH_SSH, Run


async def opened(name: TestImage, folder: Path) -> tuple[ImageInReading, InspectionPool, set[int]]:
    """An image whose layers are read until there is nothing more to read ahead; and the workers there were for it."""
    settings = Settings.model_validate({"inspection": {"workers": 1}})
    pool = inspection_pool(settings.inspection, takes_uploads=False)
    await pool.start()
    workers = set(pool.processes)
    starting = asyncio.create_task(asyncio.sleep(0, pool))
    asked = Asked(str(name.write_layout(folder)), "", None, before_signing=False)
    async with open_image(settings, asked, starting) as image:
        await read_layers(image, pool)
        return image, pool, workers


async def test_all_of_an_image_is_known_when_the_workers_are_gone(tmp_path: Path) -> None:
    image, pool, workers = await opened(CLEAN, tmp_path)

    known = await image.knowledge.layers(layer.digest for layer in image.manifest.layers)
    assert len(known) == len(image.manifest.layers) > 0
    assert all(isinstance(outcome, LayerFacts) for outcome in known.values())
    assert workers
    assert pool.processes == ()


async def test_a_worker_that_no_layer_is_left_for_goes_before_the_last_was_read(tmp_path: Path) -> None:
    pool = InspectionPool(2, InspectionLimits())
    await pool.start()
    try:
        async with find_image(Settings(), str(WITH_SSH.write_layout(tmp_path)), "") as found, asyncio.timeout(100):
            manifest = read_manifest(WITH_SSH.manifest, WITH_SSH.media_type, WITH_SSH.digest.algorithm)
            *_, last = largest_first(manifest.layers)
            source = HoldingBack(found.source, last, lambda: len(pool.processes) == 1)
            knowledge = PassingKnowledge()
            layers = LayerInspector(knowledge, source, pool)
            image = ImageInReading(found.repository, manifest, WITH_SSH.manifest, source, knowledge, layers)
            await read_layers(image, pool)
            assert source.held_back
        assert not pool.processes
    finally:
        await pool.close()


class HoldingBack:
    """A source that gives one blob only once something `holds`."""

    def __init__(self, source: ContentSource, digest: Digest, holds: Callable[[], bool]) -> None:
        self._source = source
        self._digest = digest
        self._holds = holds
        self.held_back = 0
        self.get_manifest = source.get_manifest
        self.blob_size = source.blob_size
        self.referrers = source.referrers

    @asynccontextmanager
    async def open_blob(
        self, repository: Repository, digest: Digest, start: int = 0, end: int | None = None
    ) -> AsyncIterator[BlobStream | None]:
        while digest == self._digest and not self._holds():
            self.held_back += 1
            await asyncio.sleep(0.01)
        async with self._source.open_blob(repository, digest, start, end) as stream:
            yield stream


async def test_an_index_keeps_them_for_the_images_that_it_lists(tmp_path: Path) -> None:
    image, pool, workers = await opened(BOTH, tmp_path)
    try:
        assert set(pool.processes) == workers
        assert image.manifest.children
    finally:
        await pool.close()


async def test_a_template_that_no_workers_were_made_of_goes_with_the_command() -> None:
    async with starting_template() as starting:
        template = await starting
        assert template.is_alive
    assert not template.is_alive


def test_a_mistake_in_the_settings_is_told_while_the_template_starts(run: Run) -> None:
    Path("wrong.yaml").write_text("listen: {port: none}")

    checked = run("--config", "wrong.yaml", "check", "team/app:1")

    assert checked.exit_code == 2
    assert "listen.port" in checked.stderr
