"""Every kind of login, from the settings to a real registry that asks for it."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from moto.server import ThreadedMotoServer

from config.settings_file import load_settings
from proxy.upstream.build import build_upstream
from proxy.upstream.port import Upstream, UpstreamRefusedError
from scanning.oci.digest import Digest
from scanning.oci.media_types import OCI_MANIFEST
from scanning.oci.names import Repository, Tag
from storage.content.filesystem import FilesystemContent
from storage.database import Database
from tests.e2e.clients import run
from tests.e2e.conftest import need
from tests.proxy.upstream.oci_content import push_image
from tests.registries import PASSWORD, USERNAME, RealRegistry, fresh_repository

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    """A server that speaks AWS's API."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@asynccontextmanager
async def upstream_of(folder: Path, **keys: Any) -> AsyncIterator[Upstream]:
    """What a settings file with these keys of `upstream` makes."""
    file = folder / "imagegate.yaml"
    file.write_text(json.dumps({"state_dir": str(folder / "state"), "upstream": {"kind": "remote", **keys}}))
    settings = load_settings(file)
    settings.state_dir.mkdir(exist_ok=True)
    database = await Database.open(settings.database)
    upstream = build_upstream(settings, database, FilesystemContent(settings.content_path))
    try:
        yield upstream
    finally:
        await upstream.close()
        await database.close()


async def push_and_pull(upstream: Upstream) -> None:
    repository = fresh_repository()
    await upstream.check()
    body = await push_image(upstream, repository)
    await upstream.put_manifest(repository, Tag("v1"), OCI_MANIFEST, body)
    found = await upstream.get_manifest(repository, Tag("v1"))
    assert found is not None
    assert found.digest == Digest.of(body)


async def test_a_password_in_a_file(docker_registry_with_password: RealRegistry, tmp_path: Path) -> None:
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    keys = {"username": USERNAME, "password_file": str(tmp_path / "password")}
    async with upstream_of(tmp_path, url=docker_registry_with_password.url, **keys) as upstream:
        await push_and_pull(upstream)


async def test_a_file_that_a_client_wrote_at_login(docker_registry_with_password: RealRegistry, tmp_path: Path) -> None:
    need("skopeo")
    url = docker_registry_with_password.url
    login = ("skopeo", "login", "--tls-verify=false", "--authfile", str(tmp_path / "auth.json"))
    said = run(*login, "--username", USERNAME, "--password", PASSWORD, url.removeprefix("http://"))
    assert said.ok, said.text
    async with upstream_of(tmp_path, url=url, docker_config_file=str(tmp_path / "auth.json")) as upstream:
        await push_and_pull(upstream)


async def test_a_password_that_aws_gives(
    docker_registry_with_password: RealRegistry, aws: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"ACCESS_KEY_ID": "test", "SECRET_ACCESS_KEY": "test", "CONFIG_FILE": "/dev/null"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    keys = {"ecr": True, "ecr_region": "eu-west-1", "ecr_endpoint": aws}
    async with upstream_of(tmp_path, url=docker_registry_with_password.url, **keys) as upstream:
        await push_and_pull(upstream)


async def test_a_token_in_a_file(docker_registry_with_tokens: RealRegistry, tmp_path: Path) -> None:
    """One for a single repository, as an operator could get it from the token service; it opens no other."""
    repository = fresh_repository()
    (tmp_path / "token").write_text(docker_registry_with_tokens.token(f"repository:{repository}:pull,push"))
    keys = {"token_file": str(tmp_path / "token")}
    async with upstream_of(tmp_path, url=docker_registry_with_tokens.url, **keys) as upstream:
        body = await push_image(upstream, repository)
        await upstream.put_manifest(repository, Tag("v1"), OCI_MANIFEST, body)
        assert await upstream.tags(repository) == (Tag("v1"),)
        with pytest.raises(UpstreamRefusedError) as refusal:
            await upstream.begin_upload(Repository(f"{repository}-other"))
    assert refusal.value.status == 401
