"""A state folder that a gate has left behind, and a terminal in front of it."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from typer.testing import CliRunner, Result

from config.patterns import RepositoryPattern
from config.settings import Settings
from proxy.cli import build_app
from proxy.errors import DeniedError
from proxy.identity.principal import Caller, Principal, Role
from proxy.running import running
from proxy.services import Services
from scanning.oci.names import ImageReference
from tests.images import File, TestImage, debian, image, index
from tests.registries import docker_registry, docker_registry_with_password
from tests.scanning.signatures.signing import new_key

__all__ = ["docker_registry", "docker_registry_with_password"]

POLICY = json.dumps(
    {
        "version": 1,
        "rules": [
            {"repositories": ["**"], "deny": {"tools": {"kinds": ["ssh-client"]}, "secrets": {}}},
            {"repositories": ["signed/**"], "require": {"signatures": {"of": []}}},
            {"repositories": ["watched/**"], "mode": "audit", "deny": {"tools": {"kinds": ["ssh-client"]}}},
        ],
    }
)
SSH = {"usr/bin/ssh": File(b"\x7fELF", 0o755)}
PRIVATE_KEY = new_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
CLEAN = image(debian(("openssl", "3.0.15-1")))
WITH_SSH = image(debian(), SSH)
BOTH = index(CLEAN, image(debian(), architecture="arm64"))
HOSTILE = image(debian(), {"root/\x1b[2J\x07[bold]evil": PRIVATE_KEY}, env=("MODE=fast",))
"""Its secret lies where a terminal would be cleared, a bell rung, and markup taken for markup."""

Run = Callable[..., Result]


@dataclass(frozen=True, slots=True)
class State:
    """A folder, and the verdict ids in it by image."""

    folder: Path
    verdicts: dict[str, str]


@pytest.fixture(scope="session")
def judged(tmp_path_factory: pytest.TempPathFactory) -> State:
    """A gate has judged some images here, and was stopped."""
    folder = tmp_path_factory.mktemp("judged")
    (folder / "policy.yaml").write_text(POLICY)
    return State(folder, asyncio.run(_judge_some(folder)))


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `imagegate` as in a shell in an empty folder, with its state in `state`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IMAGEGATE_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("IMAGEGATE_INSPECTION__WORKERS", "1")

    def invoke(*arguments: str | Path, typed: str | None = None) -> Result:
        return CliRunner().invoke(build_app(), [str(argument) for argument in arguments], input=typed)

    return invoke


@pytest.fixture
def beside(run: Run, judged: State) -> Run:
    """Run `imagegate` beside the gate that has judged."""

    def invoke(*arguments: str | Path) -> Result:
        return run("--state-dir", judged.folder, *arguments)

    return invoke


@pytest.fixture
def own_folder(judged: State, tmp_path: Path) -> Path:
    """A copy of what the gate has left behind, for whoever changes it."""
    return shutil.copytree(judged.folder, tmp_path / "copy")


@pytest.fixture
def own(run: Run, own_folder: Path) -> Run:
    """Run `imagegate` in that copy."""

    def invoke(*arguments: str | Path, **more: Any) -> Result:
        return run("--state-dir", own_folder, *arguments, **more)

    return invoke


async def _judge_some(folder: Path) -> dict[str, str]:
    settings = Settings(state_dir=folder, inspection={"workers": 1}, feeds={"refresh_hours": 0})
    async with running(settings) as services:
        await push(services, CLEAN, "team/app:1")
        await push(services, BOTH, "team/app:both")
        await push(services, WITH_SSH, "team/app:ssh")
        await push(services, HOSTILE, "team/app:hostile")
        await push(services, CLEAN, "signed/app:1")
        await push(services, WITH_SSH, "watched/app:1")
        async with services.database.snapshot() as tx:
            rows = await tx.exec_driver_sql("SELECT repository, digest, id FROM verdicts")
            return {f"{row.repository}@{row.digest}": row.id for row in rows}


async def push(services: Services, image: TestImage, name: str) -> None:
    """Push as a developer; what is refused is on record."""
    reference = ImageReference.parse(name)
    who = Caller(Principal("g", "ci", Role.DEVELOPER, (RepositoryPattern("**"),)), "192.0.2.7", "request-1")
    for child in image.children:
        await push(services, child, f"{reference.repository}@{child.digest}")
    for digest, content in image.blobs.items():
        upload = await services.upstream.begin_upload(reference.repository)
        upload = await services.upstream.append(reference.repository, upload, _once(content))
        await services.upstream.finish_upload(reference.repository, upload, digest)
    try:
        await services.gate.push_manifest(
            who, reference.repository, reference.reference, image.media_type, image.manifest
        )
    except DeniedError:
        return


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content
