"""`imagegate token`."""

import getpass
import json
import os
from pathlib import Path

import pytest

from proxy.identity.tokens import OpaqueToken
from tests.proxy.cli.conftest import Run


def test_a_token_is_printed_once_alone_on_standard_output(run: Run) -> None:
    made = run("token", "create", "ci-team-a", "--role", "developer", "--repository", "team/a/**", "--expires", "90d")

    token = OpaqueToken.parse(made.stdout.strip())
    assert made.exit_code == 0
    assert token is not None
    note, said = made.stderr.splitlines()
    assert note.startswith("No gate has run in ")  # the folder may be mistyped
    assert said.startswith("developer on team/a/**, until ")
    assert said.endswith(f"revoke: imagegate token revoke {token.id}")
    listed = run("token", "list")
    assert token.secret not in listed.output
    _, line = listed.stdout.splitlines()
    assert line.split()[:4] == [token.id, "ci-team-a", "developer", "team/a/**"]
    assert " until " in line


def test_by_default_it_may_pull_what_is_vetted_everywhere_until_revoked(run: Run) -> None:
    run("token", "create", "cluster")

    line = run("token", "list").stdout.splitlines()[1]
    assert line.split()[1:4] == ["cluster", "operator", "**"]
    assert line.split()[-1] == "live"


def test_no_tokens_yet(own: Run) -> None:
    assert own("token", "list").stdout == "No tokens yet: imagegate token create NAME\n"


def test_what_is_suggested_leads_to_the_same_folder(run: Run, own_folder: Path) -> None:
    made = run("--state-dir", own_folder, "token", "create", "ci")

    command = made.stderr.rpartition("revoke: imagegate ")[2].split()
    assert run(*command).exit_code == 0
    assert made.stderr.count("\n") == 1  # a gate has run here: nothing else is to be said


def test_a_program_reads_who_may_do_what(run: Run) -> None:
    first, second = (OpaqueToken.parse(run("token", "create", name).stdout.strip()) for name in ("old", "new"))
    assert first is not None
    assert second is not None
    run("token", "revoke", first.id)

    listed = run("token", "list", "--json").stdout
    read = [json.loads(line) for line in listed.splitlines()]
    assert [(one["id"], one["name"], one["state"]) for one in read] == [
        (second.id, "new", "live"),
        (first.id, "old", "revoked"),
    ]
    assert first.secret_hash not in listed


@pytest.mark.parametrize("name", ["", "  "])
def test_a_token_for_nothing_is_refused(run: Run, name: str) -> None:
    made = run("token", "create", name)

    assert made.exit_code == 2
    assert "say what the token is for" in made.stderr


@pytest.mark.parametrize(
    "command",
    [
        ("token", "list"),
        ("token", "revoke", "0123456789abcdef"),
        ("verdict", "list"),
        ("verdict", "show", "av7cvetvshevoh24"),
        ("audit", "list"),
        ("image", "show", "team/app:1"),
        ("image", "diff", "team/app:1", "team/app:2"),
        ("base", "list"),
        ("base", "approve", "team/app:1", "--reason", "reviewed"),
        ("package", "list"),
        ("registry", "usage"),
        ("clock", "accept"),
    ],
    ids=" ".join,
)
def test_a_mistyped_folder_is_no_gate_that_knows_nothing(run: Run, tmp_path: Path, command: tuple[str, ...]) -> None:
    said = run("--state-dir", tmp_path / "mistyped", *command)

    assert said.exit_code == 2
    assert said.stderr.startswith(f"there is no gate in {tmp_path / 'mistyped'}: name the folder of yours with")
    assert not (tmp_path / "mistyped").exists()


def test_a_revoked_token_stays_on_the_list_and_cannot_be_revoked_twice(run: Run) -> None:
    token = OpaqueToken.parse(run("token", "create", "ci").stdout.strip())
    assert token is not None

    revoked = run("token", "revoke", token.id)
    again = run("token", "revoke", token.id)

    assert (revoked.exit_code, revoked.stdout) == (
        0,
        f"Token {token.id} is revoked; it is refused everywhere within 5 seconds.\n",
    )
    assert (again.exit_code, again.stderr) == (
        1,
        f"There is no live token {token.id}; imagegate token list shows them.\n",
    )
    assert " revoked " in run("token", "list").stdout


def test_both_acts_are_on_record_with_who_did_them(run: Run) -> None:
    token = OpaqueToken.parse(run("token", "create", "ci", "--role", "admin").stdout.strip())
    assert token is not None
    run("token", "revoke", token.id)

    records = [json.loads(line) for line in run("audit", "list", "--json").stdout.splitlines()]

    assert [record["event"] for record in records] == ["token-revoked", "token-created"]
    assert {record["actor"] for record in records} == {getpass.getuser()}
    assert records[1]["detail"] == f"token {token.id} (ci): admin on **"


def test_who_did_it_may_have_no_account(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container that runs under a mere number."""

    def no_account() -> str:
        raise KeyError("getpwuid(): uid not found: 12345")

    monkeypatch.setattr(getpass, "getuser", no_account)

    assert run("token", "create", "ci").exit_code == 0
    assert json.loads(run("audit", "list", "--json").stdout)["actor"] == f"uid {os.getuid()}"


@pytest.mark.parametrize("expires", ["soon", "0s", "9999999d", "-1d"])
def test_a_life_that_cannot_be_is_refused(run: Run, expires: str) -> None:
    made = run("token", "create", "ci", f"--expires={expires}")

    assert made.exit_code == 2
    assert "--expires" in made.stderr
    assert "there is no gate" in run("token", "list").stderr


@pytest.mark.parametrize("pattern", ["team/a**", "", "x" * 3000])
def test_a_pattern_that_cannot_be_is_refused(run: Run, pattern: str) -> None:
    made = run("token", "create", "ci", "--repository", pattern)

    assert made.exit_code == 2
    assert "pattern" in made.stderr
    assert "Traceback" not in made.stderr


def test_a_hostile_name_cannot_steer_the_terminal(run: Run) -> None:
    run("token", "create", "\x1b[2J[red]ci")

    assert "\\x1b[2J[red]ci" in run("token", "list").stdout
    assert "\x1b" not in run("token", "list").stdout + run("audit", "list").stdout


def test_a_state_folder_that_cannot_be_made_is_a_sentence(run: Run) -> None:
    with open("file", "w"):  # noqa: PTH123 (the working folder is the test's own)
        pass
    made = run("--state-dir", "file/state", "token", "create", "ci")

    assert made.exit_code == 2
    assert "choose another with --state-dir" in made.stderr
