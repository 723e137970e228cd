"""Logins that docker or podman have kept."""

import base64
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.upstream.docker_config import DockerConfigError, DockerConfigLogin, read_login
from proxy.upstream.login import Login
from proxy.upstream.origin import Origin

REGISTRY = Origin.parse("https://registry.example.com")
GATE = Login("gate", "sec:ret")
AUTH = base64.b64encode(b"gate:sec:ret").decode()


def login(document: object, registry: Origin = REGISTRY) -> Login:
    return read_login(json.dumps(document), registry)


@pytest.mark.parametrize(
    "key",
    [
        "registry.example.com",
        "registry.example.com:443",
        "https://registry.example.com",
        "https://registry.example.com/",
        "https://registry.example.com/v1/",
        "registry.example.com/v2",
        "Registry.Example.com",
    ],
)
def test_a_registry_is_found_however_its_name_was_written(key: str) -> None:
    assert login({"auths": {"other.example.com": {"auth": "x"}, key: {"auth": AUTH}}}) == GATE


@pytest.mark.parametrize(
    "key", ["example.com", "registry.example.com.evil", "registry.example.com:5000", "registry.example.com/team", ""]
)
def test_the_login_of_another_registry_is_not_taken(key: str) -> None:
    with pytest.raises(DockerConfigError, match=r"no login for registry\.example\.com"):
        login({"auths": {key: {"auth": AUTH}}})


def test_a_port_belongs_to_the_name() -> None:
    local = Origin.parse("http://127.0.0.1:5000")
    assert login({"auths": {"127.0.0.1": {"auth": "x"}, "127.0.0.1:5000": {"auth": AUTH}}}, local) == GATE


def test_docker_hub_is_kept_under_its_old_address() -> None:
    hub = Origin.parse("https://registry-1.docker.io")
    assert login({"auths": {"https://index.docker.io/v1/": {"auth": AUTH}}}, hub) == GATE


@pytest.mark.parametrize(
    ("entry", "found"),
    [
        ({"auth": AUTH}, GATE),
        ({"username": "gate", "password": "sec:ret"}, GATE),
        ({"auth": base64.b64encode(b"gate:secret\0\0").decode()}, Login("gate", "secret")),
        ({"registrytoken": "abc.def"}, Login(token="abc.def")),
    ],
)
def test_each_way_to_keep_a_login_is_read(entry: dict[str, str], found: Login) -> None:
    assert login({"auths": {"registry.example.com": entry}}) == found


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"auths": {"registry.example.com": {"identitytoken": "x", "auth": AUTH}}}, "identitytoken, which is not"),
        ({"auths": {"registry.example.com": {}}, "credsStore": "desktop"}, "docker-credential-desktop.*under auths"),
        ({"credHelpers": {"registry.example.com": "ecr-login"}}, "docker-credential-ecr-login"),
        ({"auths": {"registry.example.com": {"registrytoken": "a\r\nb"}}}, "cannot be sent"),
        ({"auths": {"registry.example.com": {"auth": "!!!"}}}, "not base64"),
        ({"auths": {"registry.example.com": {"auth": 7}}}, "not base64"),
        ({"auths": {"registry.example.com": {"auth": base64.b64encode(b"gate").decode()}}}, "no password"),
        ({"auths": {"registry.example.com": {"username": "a:b", "password": "x"}}}, "no user name"),
        ({"auths": []}, None),
        ({"auths": ["x"]}, "auths is not a JSON object"),
        ([], "not a JSON object"),
        ({}, "no login for"),
    ],
)
def test_what_cannot_be_used_is_said(document: object, said: str | None) -> None:
    with pytest.raises(DockerConfigError, match=said):
        login(document)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=20), inner, max_size=3),
)


@given(json_values, json_values, json_values)
def test_whatever_is_in_it_is_a_login_or_a_sentence(entry: Any, helpers: Any, store: Any) -> None:
    document = {"auths": {"registry.example.com": entry}, "credHelpers": helpers, "credsStore": store}
    with suppress(DockerConfigError):
        assert login(document).basic or login(document).bearer


class Stopwatch:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def write(file: Path, password: str) -> None:
    file.write_text(json.dumps({"auths": {"registry.example.com": {"username": "gate", "password": password}}}))


async def test_a_file_that_is_renewed_is_read_again(tmp_path: Path) -> None:
    file, clock = tmp_path / "config.json", Stopwatch()
    write(file, "old")
    source = DockerConfigLogin(file, REGISTRY, clock)
    write(file, "new")
    assert (await source.login()).password == "old"
    clock.now += 30
    assert (await source.login()).password == "new"


async def test_a_login_that_is_refused_is_looked_up_at_once(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    write(file, "old")
    source = DockerConfigLogin(file, REGISTRY, Stopwatch())
    write(file, "new")
    assert (await source.login(Login("gate", "old"))).password == "new"


async def test_a_file_that_breaks_leaves_what_was_read(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    write(file, "old")
    source = DockerConfigLogin(file, REGISTRY, Stopwatch())
    for breakage in ("{", " " * ((1 << 20) + 1), "\xff"):
        file.write_text(breakage, encoding="latin-1")
        assert (await source.login(Login("gate", "old"))).password == "old"
    file.unlink()
    assert (await source.login(Login("gate", "old"))).password == "old"


def test_without_the_file_there_is_no_start(tmp_path: Path) -> None:
    with pytest.raises(DockerConfigError, match="cannot be read"):
        DockerConfigLogin(tmp_path / "nowhere", REGISTRY)
