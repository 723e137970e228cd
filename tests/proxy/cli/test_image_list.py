"""`imagegate image list`: what is there, and who runs something older."""

import asyncio
import json
from pathlib import Path

import pytest

from config.patterns import RepositoryPattern
from config.settings import Settings
from proxy.identity.principal import Caller, Principal, Role
from proxy.running import running
from scanning.oci.names import Repository, Tag
from tests.images import debian, image
from tests.proxy.cli.conftest import POLICY, Run, push

OLD = image(debian(("openssl", "3.0.14-1")))
NEW = image(debian(("openssl", "3.0.15-1")))
HELD = image(debian(), {"srv/held": b""})
APP, TAG = Repository("team/app"), Tag("1")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A gate: one cluster pulled before the tag moved and one after, a third before and after."""
    made = tmp_path_factory.mktemp("moved")
    (made / "policy.yaml").write_text(POLICY)
    asyncio.run(_move(made))
    return made


async def _move(folder: Path) -> None:
    settings = Settings(state_dir=folder, inspection={"workers": 1}, feeds={"refresh_hours": 0})
    async with running(settings) as services:

        async def pull(name: str) -> None:
            who = Caller(Principal(name, name, Role.OPERATOR, (RepositoryPattern("**"),)), "192.0.2.7", "r")
            await services.gate.pull_manifest(who, APP, TAG, head=False)

        await push(services, OLD, "team/app:1")
        await pull("west")
        await pull("north")
        await push(services, NEW, "team/app:1")
        await pull("east")
        await pull("north")
        await push(services, OLD, "team/other:1")
        await push(services, HELD, "signed/app:1")


def test_each_tag_is_told_with_what_it_means_now_and_who_pulled_it_last(run: Run, folder: Path) -> None:
    header, app, other = run("--state-dir", folder, "image", "list").stdout.splitlines()
    assert header.split()[:3] == ["image", "digest", "admitted"]
    assert app.split()[:2] == ["team/app:1", f"sha256:{NEW.digest.short}…"]
    assert app.split()[-1] == "north"
    assert " admit " in app
    assert other.split()[:2] == ["team/other:1", f"sha256:{OLD.digest.short}…"]


def test_what_waits_in_quarantine_was_not_admitted(run: Run, folder: Path) -> None:
    assert "signed/app" not in run("--state-dir", folder, "image", "list").stdout


def test_who_pulled_before_the_tag_moved_and_not_after_is_behind(run: Run, folder: Path) -> None:
    (line,) = run("--state-dir", folder, "image", "list", "--behind", "--json").stdout.splitlines()
    read = json.loads(line)
    assert (read["who"], read["image"], read["got"], read["now"]) == (
        "west",
        "team/app:1",
        str(OLD.digest),
        str(NEW.digest),
    )
    assert read["pulled"] < read["since"]


def test_of_one_repository(run: Run, folder: Path) -> None:
    listed = run("--state-dir", folder, "image", "list", "--repository", "team/other", "--json").stdout
    read = json.loads(listed)
    assert (read["image"], read["older"], read["last_pulled"]) == ("team/other:1", 0, None)
    behind = run("--state-dir", folder, "image", "list", "--repository", "team/other", "--behind")
    assert behind.stdout == "Nobody is behind.\n"
