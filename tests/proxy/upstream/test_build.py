"""From settings to an upstream."""

import ssl
from pathlib import Path

import pytest
from pydantic import SecretStr

from config.errors import ConfigurationError
from config.settings import PrefixedUpstream, Settings
from config.settings import Upstream as UpstreamSettings
from proxy.upstream.build import build_upstream
from proxy.upstream.connection import RemoteOptions
from proxy.upstream.docker_config import DockerConfigLogin
from proxy.upstream.ecr import EcrLogin
from proxy.upstream.login import Login
from proxy.upstream.origin import Origin
from proxy.upstream.port import UpstreamReadOnlyError, UpstreamUnavailableError
from proxy.upstream.remote_settings import remote_options
from scanning.oci.names import Repository, Tag
from storage.content.filesystem import FilesystemContent
from storage.database import Database
from tests.ports import free_port

REMOTE = UpstreamSettings(kind="remote", url="https://registry.example")


def options(upstream: UpstreamSettings) -> RemoteOptions:
    return remote_options(Settings(upstream=upstream))["upstream"]


async def test_each_prefix_has_its_upstream_and_the_default_is_embedded(tmp_path: Path) -> None:
    silent = PrefixedUpstream(prefix="hub", kind="remote", url=f"http://127.0.0.1:{free_port()}", access="read-only")
    database = await Database.open(f"sqlite+aiosqlite:///{tmp_path / 'gate.sqlite3'}")
    upstream = build_upstream(Settings(upstreams=(silent,)), database, FilesystemContent(tmp_path / "content"))
    try:
        assert await upstream.get_manifest(Repository("team/app"), Tag("v1")) is None
        await upstream.check()
        with pytest.raises(UpstreamUnavailableError, match="hub: "):
            await upstream.get_manifest(Repository("hub/app"), Tag("v1"))
        with pytest.raises(UpstreamUnavailableError):
            await upstream.further_checks["hub"]()
        with pytest.raises(UpstreamReadOnlyError):
            await upstream.begin_upload(Repository("hub/app"))
    finally:
        await upstream.close()
        await database.close()


def test_every_setting_reaches_the_connection() -> None:
    made = options(
        UpstreamSettings(
            kind="remote",
            url="https://registry.example:5443",
            username="gate",
            password=SecretStr("secret"),
            connect_timeout_seconds=3,
            read_timeout_seconds=4,
            redirect_hosts=("Blobs.internal", "10.0.0.1:9000"),
            client_redirect_hosts=("CDN.example",),
            token_origins=("https://auth.example",),
            max_connections=7,
            retries=5,
            retry_seconds=6,
            breaker_failures=8,
            breaker_seconds=9,
        )
    )
    assert made.origin == Origin("https", "registry.example", 5443)
    assert made.login == Login("gate", "secret")
    assert (made.connect_timeout, made.read_timeout) == (3, 4)
    assert (made.max_connections, made.breaker_failures, made.breaker_seconds) == (7, 8, 9)
    assert (made.retry.more, made.retry.seconds) == (5, 6)
    assert made.redirect_hosts == {"blobs.internal", "10.0.0.1:9000"}
    assert made.client_redirect_hosts == {"cdn.example"}
    assert made.token_origins == {Origin("https", "auth.example", 443)}
    assert made.tls is None


def test_certificates_are_checked_unless_that_is_switched_off() -> None:
    unsafe = options(REMOTE.model_copy(update={"unsafe_skip_verify": True})).tls
    assert unsafe is not None
    assert unsafe.verify_mode == ssl.CERT_NONE


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"token": SecretStr("two words")}, "upstream.token"),
        ({"ecr": True}, "upstream.ecr_region"),
        (
            {"docker_config_file": "/nowhere/config.json"},
            "upstream.docker_config_file: /nowhere/config.json: it",
        ),
        ({"url": "https://registry.example/prefix"}, "upstream.url"),
        ({"token_origins": ("auth.example",)}, "upstream.token_origins"),
        ({"ca_file": "/nowhere/ca.pem"}, "upstream.ca_file"),
    ],
)
def test_a_mistake_names_its_key(change: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        options(REMOTE.model_copy(update=change))


def test_the_login_comes_from_where_the_settings_say(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text('{"auths": {"registry.example": {"username": "gate", "password": "secret"}}}')
    token = REMOTE.model_copy(update={"token": SecretStr("secret")})
    kept = REMOTE.model_copy(update={"docker_config_file": str(file)})
    amazon = REMOTE.model_copy(update={"ecr": True, "url": "https://123456789012.dkr.ecr.eu-west-1.amazonaws.com"})
    assert options(token).login == Login(token="secret")
    assert isinstance(options(kept).login, DockerConfigLogin)
    assert isinstance(options(amazon).login, EcrLogin)


def test_every_upstream_with_a_mistake_is_named() -> None:
    wrong = SecretStr("two words")
    listed = PrefixedUpstream(prefix="hub", kind="remote", url="https://registry.example", token=wrong)
    with pytest.raises(ConfigurationError) as refusal:
        remote_options(Settings(upstream=REMOTE.model_copy(update={"token": wrong}), upstreams=(listed,)))
    assert [problem.source for problem in refusal.value.problems] == ["upstream.token", "upstreams[0].token"]
