"""`imagegate check` reads an image's layers while it still loads what judges, and lets the workers go after that."""

import asyncio
from pathlib import Path

from config.settings import Settings
from proxy.cli.check_command import starting_template
from proxy.cli.check_question import Asked
from proxy.cli.reading import ImageInReading, open_image, read_layers
from proxy.inspection.build import inspection_pool
from proxy.inspection.pool import InspectionPool
from scanning.facts import LayerFacts
from tests.images import TestImage
from tests.proxy.cli.conftest import BOTH, CLEAN, Run


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
