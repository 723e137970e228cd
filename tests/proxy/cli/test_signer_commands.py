"""`imagegate signer` on the gate's machine."""

import json
from pathlib import Path

import pytest

from tests.proxy.cli.conftest import POLICY, PRIVATE_KEY, Run
from tests.scanning.signatures.signing import new_key, pem


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """The file that cosign writes."""
    file = tmp_path / "cosign.pub"
    file.write_text(pem(new_key()))
    return file


def test_a_signer_is_added_listed_and_removed(own: Run, own_folder: Path, key: Path) -> None:
    policy = own_folder / "policy.yaml"
    added = own("signer", "add", "release", "--key", key, "--repository", "signed/**")
    assert added.exit_code == 0, added.output
    assert added.stdout.endswith(f"imagegate --state-dir {own_folder} signer remove release\n")
    _, line = own("signer", "list").stdout.splitlines()
    assert line.split()[:4] == ["release", "signed/**", "until", "removed"]
    record = json.loads(own("audit", "list", "--event", "signer-added", "--json").stdout)
    assert f"counts for signed/**; {policy}: sha256:" in record["detail"]

    removed = own("signer", "remove", "release")
    assert (removed.exit_code, removed.stderr.startswith("Nobody's signatures count for signed/** any more: ")) == (
        0,
        True,
    )
    assert policy.read_text() == POLICY.removesuffix("}") + ", signers: {}}"
    again = own("signer", "remove", "release")
    assert (again.exit_code, again.stderr) == (2, "the policy has no signer 'release'; there are: none\n")


def test_a_private_key_is_taken_for_no_other_and_repeated_nowhere(own: Run, own_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "cosign.key").write_bytes(PRIVATE_KEY)
    refused = own("signer", "add", "release", "--key", tmp_path / "cosign.key", "--repository", "signed/**")
    assert refused.exit_code == 2
    assert "not a public key" in " ".join(refused.stderr.replace("│", " ").split())
    assert PRIVATE_KEY.decode().splitlines()[1] not in refused.output
    assert (own_folder / "policy.yaml").read_text() == POLICY


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (("--repository", "team/**"), "no rule of the policy is for team/**"),
        (("--repository", "watched/**"), "asks for no signatures, so none would count"),
        (("--repository", "signed/**", "--expires", "soon"), "--expires"),
        ((), "--repository"),
    ],
)
def test_what_would_count_nowhere_is_refused(own: Run, key: Path, wrong: tuple[str, ...], said: str) -> None:
    refused = own("signer", "add", "release", "--key", key, *wrong)
    assert (refused.exit_code, said in refused.stderr) == (2, True), refused.stderr


@pytest.mark.parametrize(
    "command", [("signer", "list"), ("signer", "remove", "a"), ("signer", "add", "a", "--repository", "**")]
)
def test_a_mistyped_folder_is_no_gate_without_signers(run: Run, tmp_path: Path, command: tuple[str, ...]) -> None:
    said = run("--state-dir", tmp_path / "mistyped", *command)
    assert (said.exit_code, said.stderr.startswith("there is no policy at ")) == (2, True)
    assert not (tmp_path / "mistyped").exists()


def test_a_policy_that_no_gate_has_served_yet_is_prepared(run: Run, key: Path) -> None:
    assert run("policy", "init").exit_code == 0
    assert run("signer", "add", "release", "--key", key, "--repository", "**").exit_code == 0
    assert run("signer", "list").stdout.splitlines()[1].split()[:2] == ["release", "**"]
