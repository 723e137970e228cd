"""`imagegate feeds`: what a person sees."""

import asyncio
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from proxy.cli import feeds_commands
from proxy.cli.global_options import GlobalOptions
from tests.proxy.feeds.feed_server import FeedServer, archive, serving
from tests.scanning.advisories.records import affected, fixed, record
from tests.scanning.advisories.test_exploitation import catalogue, entry

_DEBIAN = archive({"a.json": record("DSA-1-1", affected("Debian:12", "x", fixed("2")))})


def run(state: Path, *arguments: str, **environment: str) -> Result:
    app = typer.Typer()
    feeds_commands.register(app)

    @app.callback()
    def options(context: typer.Context) -> None:
        context.obj = GlobalOptions(state_dir=state)

    return CliRunner().invoke(app, ["feeds", *arguments], env={"COLUMNS": "200"} | environment)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "osv" / "Debian").mkdir(parents=True)
    (tmp_path / "osv" / "Debian" / "all.zip").write_bytes(_DEBIAN)
    return tmp_path / "osv"


def test_status_says_what_to_do_first(tmp_path: Path) -> None:
    result = run(tmp_path / "state", "status")

    assert result.exit_code == 0
    assert "imagegate feeds update" in result.output


def test_an_import_is_told_and_shows_in_the_status(tmp_path: Path, folder: Path) -> None:
    imported = run(tmp_path / "state", "import", str(folder))
    status = run(tmp_path / "state", "status")

    assert imported.exit_code == 0
    assert imported.output.splitlines()[1].split() == ["Debian", "updated", "1"]
    assert "In force: sha256:" in imported.output
    assert "Debian" in status.output
    assert "0 hours" in status.output
    assert "local files" in status.output


def test_an_import_that_fails_says_why_and_exits_with_1(tmp_path: Path, folder: Path) -> None:
    (folder / "Debian" / "all.zip").write_bytes(b"\x1b[2Jno archive")

    result = run(tmp_path / "state", "import", str(folder))

    assert result.exit_code == 1
    assert "not a whole zip archive" in result.output
    assert "\x1b" not in result.output


async def test_an_update_names_each_ecosystem_and_exits_with_1_if_one_failed(tmp_path: Path) -> None:
    async with serving(FeedServer({"Debian": _DEBIAN})) as url:
        arguments = ("update", "--from", url, "--ecosystem", "Debian", "--ecosystem", "npm")
        result = await asyncio.to_thread(run, tmp_path / "state", *arguments)

    assert result.exit_code == 1
    lines = result.output.splitlines()
    assert lines[1].split() == ["Debian", "updated", "1"]
    assert lines[2].split()[:2] == ["npm", "failed"]
    assert "answers 404" in result.output


async def test_an_update_takes_one_kind_alone_and_another_base_address_asks_nobody_else(tmp_path: Path) -> None:
    async with serving(FeedServer({"Debian": _DEBIAN, "kev": catalogue(entry())})) as url:
        addresses = {
            "IMAGEGATE_FEEDS__URL": url,
            "IMAGEGATE_FEEDS__ECOSYSTEMS": "Debian",
            "IMAGEGATE_FEEDS__KEV_URL": f"{url}/kev/all.zip",
            "IMAGEGATE_FEEDS__EPSS_URL": "",
            "IMAGEGATE_FEEDS__END_OF_LIFE_URL": "",
        }

        async def updated(*options: str) -> list[list[str]]:
            result = await asyncio.to_thread(run, tmp_path / "state", "update", *options, **addresses)
            assert result.exit_code == 0, result.output
            return [line.split() for line in result.output.splitlines()[1:-1]]

        assert await updated("--ecosystem", "KEV") == [["KEV", "updated", "1"]]
        assert await updated("--from", url) == [["Debian", "updated", "1"]]
        assert await updated() == [["Debian", "unchanged", "1"], ["KEV", "unchanged", "1"]]
        missing = await asyncio.to_thread(run, tmp_path / "state", "update", "--ecosystem", "EPSS", **addresses)
        assert (missing.exit_code, "name no address for EPSS" in str(missing.exception)) == (1, True)
    status = run(tmp_path / "state", "status")
    assert "KEV" in status.output
