"""From settings to an upstream."""

import ssl
from pathlib import Path

import pytest
from pydantic import SecretStr

from config.errors import ConfigurationError
from config.settings import Upstream as UpstreamSettings
from proxy.upstream.build import build_upstream, remote_options
from proxy.upstream.credentials import Login
from proxy.upstream.embedded import EmbeddedUpstream
from proxy.upstream.origin import Origin
from proxy.upstream.remote import RemoteUpstream
from storage.content.filesystem import FilesystemContent
from storage.database import Database

REMOTE = UpstreamSettings(kind="remote", url="https://registry.example")


async def test_the_default_is_the_embedded_registry_and_remote_is_asked_for(tmp_path: Path) -> None:
    database = await Database.open(f"sqlite+aiosqlite:///{tmp_path / 'gate.sqlite3'}")
    content = FilesystemContent(tmp_path / "content")
    try:
        assert isinstance(build_upstream(UpstreamSettings(), database, content), EmbeddedUpstream)
        remote = build_upstream(REMOTE, database, content)
        assert isinstance(remote, RemoteUpstream)
        await remote.close()
    finally:
        await database.close()


def test_every_setting_reaches_the_connection() -> None:
    options = remote_options(
        UpstreamSettings(
            kind="remote",
            url="https://registry.example:5443",
            username="gate",
            password=SecretStr("secret"),
            connect_timeout_seconds=3,
            read_timeout_seconds=4,
            redirect_hosts=("Blobs.internal", "10.0.0.1:9000"),
            token_origins=("https://auth.example",),
        )
    )
    assert options.origin == Origin("https", "registry.example", 5443)
    assert options.login == Login("gate", "secret")
    assert (options.connect_timeout, options.read_timeout) == (3, 4)
    assert options.redirect_hosts == {"blobs.internal", "10.0.0.1:9000"}
    assert options.token_origins == {Origin("https", "auth.example", 443)}
    assert options.tls is None


def test_certificates_are_checked_unless_that_is_switched_off() -> None:
    unsafe = remote_options(REMOTE.model_copy(update={"unsafe_skip_verify": True})).tls
    assert unsafe is not None
    assert unsafe.verify_mode == ssl.CERT_NONE


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"url": "https://registry.example/prefix"}, "upstream.url"),
        ({"token_origins": ("auth.example",)}, "upstream.token_origins"),
        ({"username": "a:b", "password": SecretStr("x")}, "upstream.username"),
        ({"ca_file": "/nowhere/ca.pem"}, "upstream.ca_file"),
    ],
)
def test_a_mistake_names_its_key(change: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        remote_options(REMOTE.model_copy(update=change))
