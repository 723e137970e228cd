"""`imagegate config` and `imagegate check-config`, and what holds for every command."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from config.defaults import Profile, profile_text
from config.reference import commented_default
from proxy.cli import build_app
from tests.certificates import Authority


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IMAGEGATE_STATE_DIR", str(tmp_path / "state"))


def run(*arguments: str) -> Result:
    return CliRunner().invoke(build_app(), arguments)


def test_config_prints_a_file_that_check_config_accepts() -> None:
    printed = run("config")
    assert (printed.exit_code, printed.stdout) == (0, commented_default())
    Path("printed.yaml").write_text(printed.stdout)
    checked = run("check-config", "--config", "printed.yaml")
    assert checked.exit_code == 0
    assert "Settings: printed.yaml: valid" in checked.stdout


def test_config_prints_a_schema() -> None:
    assert json.loads(run("config", "--schema").stdout)["title"] == "Settings"


def test_check_config_tells_every_mistake_with_its_line_and_exits_with_1() -> None:
    Path("f.yaml").write_text("listen: {port: 0x}\n\ntypo: 1\n")
    result = run("check-config", "--config", "f.yaml")
    assert result.exit_code == 1
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("f.yaml:1:10: listen.port: ")
    assert lines[1].startswith("f.yaml:3:1: typo: this key is not known")


def test_check_config_checks_the_policy_too() -> None:
    Path("policy.yaml").write_text("version: 1\nrules:\n  - repositories: [A]\n")
    Path("imagegate.yaml").write_text("policy_file: policy.yaml\n")
    result = run("check-config")
    assert result.exit_code == 1
    assert result.stderr.startswith("policy.yaml:3:20: rules[0].repositories[0]: ")
    Path("policy.yaml").write_text(profile_text(Profile.PRODUCTION))
    assert run("check-config").stdout == (
        "Policy: policy.yaml: valid (production, rules: 1)\nSettings: imagegate.yaml: valid\n"
    )
    Path("policy.yaml").unlink()
    assert "policy.yaml: cannot be read: No such file" in run("check-config").stderr


@pytest.mark.parametrize(
    ("mistake", "key"),
    [
        ("url: http://r.example/path", "f.yaml:3:3: upstream.url"),
        ("token_origins: [auth.example]", "f.yaml:4:19: upstream.token_origins[0]"),
        ("token_origins: ['https://auth.example/path']", "f.yaml:4:19: upstream.token_origins[0]"),
        ("ca_file: nowhere.pem", "upstream.ca_file"),
        ("docker_config_file: nowhere.json", "upstream.docker_config_file"),
        ("ecr: true", "upstream.ecr_region"),
    ],
)
def test_check_config_finds_an_upstream_that_could_not_be_reached_so(mistake: str, key: str) -> None:
    url = "" if mistake.startswith("url") else "  url: http://r.example\n"
    Path("f.yaml").write_text(f"upstream:\n  kind: remote\n{url}  {mistake}\n")
    result = run("check-config", "--config", "f.yaml")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"{key}: ")


def test_check_config_finds_a_certificate_that_could_not_be_served_with_its_line(tmp_path: Path) -> None:
    certificate, key = Authority.make().issue(tmp_path, "localhost")
    (tmp_path / "other").mkdir()
    _, other = Authority.make().issue(tmp_path / "other", "localhost")
    listen = f"listen:\n  tls_cert_file: {certificate}\n  tls_key_file: "
    Path("f.yaml").write_text(f"{listen}{key}\n")
    assert run("check-config", "--config", "f.yaml").exit_code == 0
    Path("f.yaml").write_text(f"{listen}{other}\n")
    mismatched = run("check-config", "--config", "f.yaml")
    assert mismatched.exit_code == 1
    assert mismatched.stderr == (
        f"f.yaml:3:3: listen.tls_key_file: {other} is not the key of the certificate in {certificate}; give one pair\n"
    )
    certificate.unlink()
    missing = run("check-config", "--config", "f.yaml").stderr
    assert missing == f"f.yaml:2:3: listen.tls_cert_file: {certificate} cannot be read: No such file or directory\n"


def test_the_options_before_the_command_hold_for_it(tmp_path: Path) -> None:
    Path("f.yaml").write_text("typo: 1\n")
    assert run("--config", "f.yaml", "check-config").exit_code == 1
    state = tmp_path / "elsewhere"
    assert f"{state}/policy.yaml is not there yet" in run("--state-dir", str(state), "check-config").stdout


def test_an_error_is_a_sentence_and_status_2() -> None:
    result = run("--config", "nowhere.yaml", "policy", "show")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "nowhere.yaml: cannot be read: No such file or directory\n"


def test_t82_an_error_cannot_steer_the_terminal() -> None:
    result = run("--config", "\x1b[2Jx\r.yaml", "policy", "show")
    assert result.stderr == "\\x1b[2Jx\\r.yaml: cannot be read: No such file or directory\n"


def test_the_version_is_that_of_the_distribution() -> None:
    assert run("--version").stdout.startswith("imagegate ")
