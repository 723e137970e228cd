"""Settings: where they come from and what they may be."""

import dataclasses
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from config.errors import ConfigurationError
from config.reference import commented_default, settings_schema
from config.settings import Settings
from config.settings_file import find_settings_file, load_settings
from config.yaml_source import read_yaml
from scanning.layers.limits import InspectionLimits


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def problems(text: str = "", overrides: dict[str, Any] | None = None) -> list[str]:
    Path("f.yaml").write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        load_settings(Path("f.yaml"), overrides)
    return str(caught.value).splitlines()


def test_nothing_at_all_is_a_complete_configuration() -> None:
    settings = load_settings()
    assert settings == Settings()
    assert settings.public_origin == "http://127.0.0.1:5000"
    assert settings.database == f"sqlite+aiosqlite:///{settings.state_dir}/imagegate.sqlite3"
    assert settings.policy_path == settings.state_dir / "policy.yaml"
    assert settings.state_dir.name == "imagegate"


def test_flags_win_over_the_environment_and_that_over_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    file = Path("f.yaml")
    file.write_text("listen: {host: 10.0.0.1, port: 1}\nlogging: {level: debug}\n")
    assert load_settings(file).listen.port == 1
    monkeypatch.setenv("IMAGEGATE_LISTEN__PORT", "2")
    assert load_settings(file).listen.port == 2
    settings = load_settings(file, {"listen": {"port": 3}})
    assert (settings.listen.port, settings.listen.host, settings.logging.level) == (3, "10.0.0.1", "debug")


def test_the_file_is_looked_for_in_the_usual_places(monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_settings_file() is None
    Path("imagegate.yaml").write_text("listen: {port: 1}")
    assert load_settings().listen.port == 1
    Path("named.yaml").write_text("listen: {port: 2}")
    monkeypatch.setenv("IMAGEGATE_CONFIG", "named.yaml")
    assert load_settings().listen.port == 2
    Path("flag.yaml").write_text("listen: {port: 3}")
    assert load_settings(Path("flag.yaml")).listen.port == 3
    with pytest.raises(ConfigurationError, match=r"nowhere\.yaml: cannot be read"):
        load_settings(Path("nowhere.yaml"))


def test_every_mistake_is_told_with_where_it_was_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGEGATE_STATEDIR", "/x")
    monkeypatch.setenv("IMAGEGATE_TOKENS__LIFETIME_SECONDS", "soon")
    monkeypatch.setenv("IMAGEGATE_UPSTREAM__PASWORD", "hunter2")
    file = "listen:\n  prt: 1\n  port: 70000\nfeeds: {warn_after_hours: 0}\n_policy_file: x\n"
    found = problems(file, {"throttle": {"failures": 0}})
    assert found == [
        "environment IMAGEGATE_STATEDIR: statedir: this key is not known; did you mean state_dir?",
        "command line: throttle.failures: the value should be greater than or equal to 1",
        (
            "environment IMAGEGATE_TOKENS__LIFETIME_SECONDS: tokens.lifetime_seconds: the value should be a valid"
            " integer, unable to parse string as an integer"
        ),
        "environment IMAGEGATE_UPSTREAM__PASWORD: upstream.pasword: this key is not known; did you mean password?",
        "f.yaml:2:3: listen.prt: this key is not known; did you mean port?",
        "f.yaml:3:3: listen.port: the value should be less than or equal to 65535",
        "f.yaml:4:9: feeds.warn_after_hours: the value should be greater than or equal to 1",
        "f.yaml:5:1: _policy_file: this key is not known; did you mean policy_file?",
    ]
    assert "hunter2" not in "\n".join(found)


def test_a_remote_upstream_needs_its_address_and_whole_credentials() -> None:
    assert problems("upstream:\n  kind: remote\n  username: gate\n") == [
        "f.yaml:1:1: upstream.url: a remote upstream needs its address",
        "f.yaml:3:3: upstream.username: username and password go together; one of them is missing",
    ]
    assert problems("upstream:\n  username: a:b\n  password: x\n") == [
        "f.yaml:2:3: upstream.username: a user name cannot hold a colon (RFC 7617)"
    ]
    assert problems("upstream: {url: 'https://r.example'}") == [
        "f.yaml:1:1: upstream.kind: is embedded, and url names a registry; write kind: remote or remove url"
    ]


def test_further_upstreams_are_told_apart_by_their_prefixes() -> None:
    entry = "  - {prefix: %s, kind: remote, url: 'https://r.example'}\n"
    Path("f.yaml").write_text("upstreams:\n" + entry % "hub" + entry % "hub/inner")
    assert [upstream.prefix for upstream in load_settings(Path("f.yaml")).upstreams] == ["hub", "hub/inner"]
    assert problems("upstreams:\n" + entry % "hub" + entry % "other" + entry % "hub") == [
        "f.yaml:4:6: upstreams[2].prefix: hub is the prefix of another upstream; choose another"
    ]
    for wrong in ("Hub", "/hub", "hub/", "a//b", "'*'"):
        (problem,) = problems("upstreams:\n" + entry % wrong)
        assert problem.startswith("f.yaml:2:6: upstreams[0].prefix: write a repository name such as hub")


def test_each_further_upstream_is_as_complete_as_the_first() -> None:
    assert problems("upstreams:\n  - kind: remote\n    prefix: a\n  - urll: x\n    prefix: b\n") == [
        "f.yaml:2:5: upstreams[0].url: a remote upstream needs its address",
        "f.yaml:4:5: upstreams[1].urll: this key is not known; did you mean url?",
    ]
    assert problems("upstreams:\n  - kind: remote\n    url: 'https://r.example'\n") == [
        "f.yaml:2:5: upstreams[0].prefix: this key is required"
    ]


def test_an_upstream_has_one_login() -> None:
    remote = "upstream:\n  kind: remote\n  url: https://r.example\n"
    said = "is given too; the gate has one login there: keep one"
    assert problems(f"{remote}  token: x\n  ecr: true\n  docker_config_file: /x\n") == [
        f"f.yaml:5:3: upstream.ecr: token {said}",
        f"f.yaml:6:3: upstream.docker_config_file: token {said}",
    ]
    assert problems(f"{remote}  username: x\n  password: x\n  token: x\n") == [
        f"f.yaml:6:3: upstream.token: username {said}"
    ]


def test_one_registry_can_be_embedded() -> None:
    said = "one upstream can be embedded, and another one is (upstream is unless it says so)"
    assert problems("upstreams:\n  - {prefix: own, kind: embedded}\n") == [f"f.yaml:2:19: upstreams[0].kind: {said}"]
    remote = "upstream: {kind: remote, url: 'https://r.example'}\n"
    Path("f.yaml").write_text(f"{remote}upstreams:\n  - {{prefix: own}}\n")
    assert load_settings(Path("f.yaml")).upstreams[0].kind == "embedded"
    assert problems(f"{remote}upstreams:\n  - {{prefix: own}}\n  - {{prefix: too}}\n") == [
        f"f.yaml:4:5: upstreams[1].kind: {said}"
    ]
    assert problems("upstream: {namespace: team}") == [
        "f.yaml:1:12: upstream.namespace: is for remote upstreams; the embedded one holds nothing but its own"
    ]


def test_each_upstream_reads_its_secrets_from_its_own_files() -> None:
    Path("password").write_text("hunter2\n")
    entry = "  - {prefix: %s, kind: remote, url: 'https://r.example', username: gate, password_file: %s}\n"
    Path("f.yaml").write_text("upstreams:\n" + entry % ("a", "password") + entry % ("b", "password"))
    settings = load_settings(Path("f.yaml"))
    assert [upstream.password.get_secret_value() for upstream in settings.upstreams] == ["hunter2", "hunter2"]
    found = problems("upstreams:\n" + entry % ("a", "password") + entry % ("b", "nowhere"))
    assert found[0].startswith("f.yaml:3:")
    assert "upstreams[1].password_file: the secret cannot be read: " in found[0]


@pytest.mark.parametrize("url", ["r.example", "ftp://r.example", "https://", "https://r?x=1", "https://u:p@r.example"])
def test_an_address_is_http_without_credentials_in_it(url: str) -> None:
    (problem,) = problems(f"public_url: '{url}'")
    assert problem.startswith("f.yaml:1:1: public_url: ")


def test_the_public_address_follows_what_is_listened_on() -> None:
    assert load_settings(None, {"public_url": "https://gate.example/"}).public_origin == "https://gate.example"
    assert load_settings(None, {"listen": {"host": "::1", "port": 1}}).public_origin == "http://[::1]:1"
    assert load_settings(None, {"listen": {"host": "0.0.0.0"}}).public_origin == "http://localhost:5000"  # noqa: S104


def test_with_a_certificate_the_public_address_is_https() -> None:
    pair = {"tls_cert_file": "gate.crt", "tls_key_file": "gate.key"}
    assert load_settings(None, {"listen": pair}).public_origin == "https://127.0.0.1:5000"


def test_a_certificate_and_its_key_go_together() -> None:
    assert problems("listen:\n  tls_cert_file: gate.crt\n  tls_client_ca_file: ca.crt\n") == [
        "f.yaml:2:3: listen.tls_cert_file: goes together with tls_key_file, which is missing"
    ]
    assert problems("listen:\n  tls_key_file: gate.key\n  tls_client_ca_file: ca.crt\n") == [
        "f.yaml:2:3: listen.tls_key_file: goes together with tls_cert_file, which is missing",
        "f.yaml:3:3: listen.tls_client_ca_file: asks for TLS; give tls_cert_file and tls_key_file too",
    ]


def test_secrets_are_read_from_files_and_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("password").write_text("hunter2\n")
    Path("database").write_text("postgresql+asyncpg://gate:hunter2@db/gate")
    monkeypatch.setenv("IMAGEGATE_UPSTREAM__PASSWORD_FILE", "password")
    monkeypatch.setenv("IMAGEGATE_DATABASE_URL_FILE", "database")
    upstream = {"kind": "remote", "url": "https://r.example", "username": "gate"}
    settings = load_settings(None, {"upstream": upstream})
    assert settings.upstream.password.get_secret_value() == "hunter2"
    assert settings.database == "postgresql+asyncpg://gate:hunter2@db/gate"
    assert "hunter2" not in f"{settings!r} {settings} {settings.model_dump_json()}"


def test_a_secret_that_cannot_be_read_is_a_problem_where_its_file_is_named() -> None:
    found = problems("upstream:\n  kind: remote\n  url: https://r.example\n  password_file: nowhere\n")
    assert found[0].startswith("f.yaml:4:3: upstream.password_file: the secret cannot be read: ")
    Path("empty").write_text("\n")
    assert "empty is empty" in problems("database_url_file: empty")[0]
    assert "keep one of the two" in problems("database_url: sqlite+aiosqlite:////x\ndatabase_url_file: empty")[0]


def test_the_database_is_one_that_can_be_driven() -> None:
    assert problems("database_url: mysql://gate:hunter2@db/gate") == [
        "f.yaml:1:1: database_url: write postgresql+asyncpg://USER:PASSWORD@HOST/NAME or sqlite+aiosqlite:////PATH"
    ]


def test_lists_are_words_with_commas_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGEGATE_FEEDS__ECOSYSTEMS", "Debian, PyPI")
    monkeypatch.setenv("IMAGEGATE_NETWORK__TRUSTED_PROXIES", "10.0.0.0/8,::1/128")
    settings = load_settings()
    assert settings.feeds.ecosystems == ("Debian", "PyPI")
    assert settings.network.trusted_proxies == (ip_network("10.0.0.0/8"), ip_network("::1/128"))
    monkeypatch.setenv("IMAGEGATE_NETWORK__TRUSTED_PROXIES", "10.0.0.1/8")
    assert problems() == [
        "environment IMAGEGATE_NETWORK__TRUSTED_PROXIES: network.trusted_proxies[0]: 10.0.0.1/8 has host bits set"
    ]


def test_a_kubernetes_service_of_our_name_does_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SERVICE_HOST", "SERVICE_PORT", "SERVICE_PORT_HTTP", "PORT", "PORT_5000_TCP", "PORT_5000_TCP_ADDR"):
        monkeypatch.setenv(f"IMAGEGATE_{name}", "tcp://10.0.0.1:5000")
    assert load_settings() == Settings()


def test_what_names_a_gate_to_ask_is_no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGEGATE_GATE", "https://gate.example")
    monkeypatch.setenv("IMAGEGATE_TOKEN", "igt_0123")
    assert load_settings() == Settings()


def test_inspection_mirrors_the_limits_of_the_layer_reader() -> None:
    limits = InspectionLimits()
    inspection = Settings().inspection
    for field in dataclasses.fields(limits):
        assert getattr(inspection, field.name) == getattr(limits, field.name), field.name


def keys(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield f"{prefix}{name}", field.annotation.__doc__ or ""
            yield from keys(field.annotation, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", field.description or ""


def test_every_key_is_documented() -> None:
    assert [name for name, description in keys(Settings) if not description.endswith(".")] == []


def test_the_commented_default_is_the_default_and_holds_every_key() -> None:
    text = commented_default()
    document = read_yaml(text, "default")
    assert Settings.model_validate(document.data) == Settings()
    for name, description in keys(Settings):
        assert document.place(tuple(name.split("."))) != (0, 0)
        assert " ".join(description.split()) in " ".join(line.strip(" #") for line in text.splitlines())


def test_the_schema_names_every_section() -> None:
    properties = settings_schema()["properties"]
    assert isinstance(properties, dict)
    assert list(properties) == list(Settings.model_fields)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("content: {kind: s3}", "content.s3.bucket: a content store of kind s3 needs its bucket"),
        ("content: {s3: {bucket: b}}", "content.kind: is filesystem, and s3 names a bucket; write kind: s3"),
        ("content: {kind: s3, s3: {bucket: b, prefix: /x}}", "content.s3.prefix: write it without a slash in front"),
        (
            "content: {quotas: [{repositories: [a/*], bytes: 1}, {repositories: [a/*], bytes: 2}]}",
            "a/* ties with a/*: equally specific, and a repository can match both; narrow one of them",
        ),
        (
            "registry: {record_quotas: [{repositories: [a/*], records: 1}, {repositories: [a/*], records: 2}]}",
            "a/* ties with a/*: equally specific, and a repository can match both; narrow one of them",
        ),
    ],
)
def test_a_content_store_that_makes_no_sense_is_refused(text: str, problem: str) -> None:
    (found,) = problems(text)
    assert found.endswith(problem)


def test_a_prefix_in_a_bucket_ends_in_a_slash() -> None:
    Path("f.yaml").write_text("content: {kind: s3, s3: {bucket: b, prefix: images}}")
    assert load_settings(Path("f.yaml")).content.s3.prefix == "images/"


def test_a_repository_is_at_the_upstream_with_the_longest_prefix_that_fits() -> None:
    settings = Settings(
        upstream={"kind": "remote", "url": "https://a.example"},
        upstreams=[
            {"prefix": "hub", "kind": "remote", "url": "https://b.example"},
            {"prefix": "hub/own", "kind": "embedded"},
        ],
    )
    found = [settings.upstream_of(name) for name in ("app", "hubris/app", "hub", "hub/app", "hub/own/app", "hub/own")]
    assert [(each.kind, each.url) for each in found] == [
        ("remote", "https://a.example"),
        ("remote", "https://a.example"),
        ("remote", "https://a.example"),
        ("remote", "https://b.example"),
        ("embedded", ""),
        ("remote", "https://b.example"),
    ]


@pytest.mark.parametrize(
    ("url", "may"),
    [("", False), ("sqlite+aiosqlite:////x/y", False), ("postgresql+asyncpg://gate:secret@db/gate", True)],
)
def test_others_may_serve_from_a_database_on_the_network(url: str, may: bool) -> None:
    assert Settings(database_url=url).may_have_replicas is may
