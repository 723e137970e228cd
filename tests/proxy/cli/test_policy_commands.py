"""`imagegate policy`."""

import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from config.defaults import Profile, profile_text
from proxy.cli import build_app
from tests.proxy.cli.conftest import POLICY, Run


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IMAGEGATE_STATE_DIR", str(tmp_path / "state"))
    return tmp_path / "state"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(build_app(), ["policy", *arguments])


@pytest.mark.parametrize("profile", Profile)
def test_init_writes_a_profile_where_the_gate_looks_for_it(profile: Profile, state: Path) -> None:
    result = run("init", "--profile", profile)
    assert result.exit_code == 0
    assert (state / "policy.yaml").read_text() == profile_text(profile)
    assert [path.name for path in state.iterdir()] == ["policy.yaml"]
    assert run("check", str(state / "policy.yaml")).stdout.endswith(f"policy.yaml: valid ({profile}, rules: 1)\n")


def test_init_replaces_nothing_unless_told_to() -> None:
    Path("mine.yaml").write_text("mine")
    refused = run("init", "--output", "mine.yaml")
    assert refused.exit_code == 2
    assert refused.stderr == "mine.yaml is there already; use --force to replace it, or --output for another file\n"
    assert Path("mine.yaml").read_text() == "mine"
    assert run("init", "--output", "mine.yaml", "--force").exit_code == 0
    assert Path("mine.yaml").read_text() == profile_text(Profile.PRODUCTION)


def test_init_says_why_it_cannot_write() -> None:
    Path("file").write_text("")
    result = run("init", "--output", "file/policy.yaml")
    assert result.exit_code == 2
    assert result.stderr == "the policy cannot be written to file/policy.yaml: File exists\n"


def test_check_tells_every_mistake_with_its_line_and_exits_with_1() -> None:
    Path("p.yaml").write_text("version: 1\nrules:\n  - repositories: [A]\n    mode: off\n")
    result = run("check", "p.yaml")
    assert result.exit_code == 1
    lines = result.stderr.splitlines()
    assert [line.split(" ")[0] for line in lines] == ["p.yaml:3:20:", "p.yaml:4:5:"]


def test_show_tells_which_rule_holds_for_a_repository(state: Path) -> None:
    state.mkdir()
    (state / "policy.yaml").write_text(
        "version: 1\nrules:\n  - {repositories: [team/**], mode: audit}\n  - {repositories: [team/app]}\n"
    )
    shown = run("show", "--repository", "team/web").stdout
    assert shown.startswith(f"# team/web is judged by team/**, in {state}/policy.yaml\n")
    assert yaml.safe_load(shown)["mode"] == "audit"
    assert len(yaml.safe_load(run("show").stdout)["rules"]) == 2
    nothing = run("show", "--repository", "elsewhere")
    assert nothing.exit_code == 1
    assert "covers elsewhere, so everything in it is refused" in nothing.stderr


def test_no_rule_holds_for_what_is_no_repository() -> None:
    run("init")
    shown = run("show", "--repository", "Team/**")
    assert shown.exit_code == 2
    assert "is not a repository name" in shown.stderr


def test_schema_is_json() -> None:
    assert json.loads(run("schema").stdout)["title"] == "Policy"


def test_try_tells_what_another_policy_would_change(own: Run, tmp_path: Path) -> None:
    stricter = json.loads(POLICY)
    stricter["rules"][0]["deny"]["packages"] = {"purls": ["pkg:deb/debian/openssl"]}
    (tmp_path / "new.yaml").write_text(json.dumps(stricter))

    told = own("policy", "try", "new.yaml")

    assert told.exit_code == 1
    header, *lines = told.stdout.splitlines()
    assert header.split()[:5] == ["image", "digest", "now", "then", "first"]
    assert {line.split()[0]: line.split()[2:4] for line in lines if line.startswith("team/")} == {
        "team/app:1": ["admit", "reject"],
        "team/app:both": ["admit", "reject"],
    }
    read = [json.loads(line) for line in own("policy", "try", "new.yaml", "--json").stdout.splitlines()]
    assert "[deny.packages]" in read[0]["reasons"][0]
    (tmp_path / "same.yaml").write_text("# the same\n" + POLICY)
    same = own("policy", "try", "same.yaml")
    assert (same.exit_code, same.stdout.startswith("Nothing would change for ")) == (0, True)


def test_set_writes_a_policy_over_the_gates_own_on_the_record(own: Run, own_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "new.yaml").write_text("# mine\n" + POLICY)
    (tmp_path / "wrong.yaml").write_text("version: 2\n")

    refused = own("policy", "set", "wrong.yaml")
    assert refused.exit_code != 0
    assert "wrong.yaml:1:" in refused.stderr
    assert (own_folder / "policy.yaml").read_text() == POLICY

    assert own("policy", "set", "new.yaml").exit_code == 0
    assert (own_folder / "policy.yaml").read_text() == "# mine\n" + POLICY
    (line,) = own("audit", "list", "--event", "policy-written", "--json").stdout.splitlines()
    assert json.loads(line)["detail"].startswith(str(own_folder / "policy.yaml"))
