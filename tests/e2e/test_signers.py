"""Whose signatures count is changed while the gate runs, from a terminal elsewhere."""

import shutil
import time
from pathlib import Path

import pytest

from tests.e2e.clients import Client, run
from tests.e2e.conftest import Gate, SigningKey
from tests.images import debian, image

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]
PATIENCE_SECONDS = 120.0


@pytest.mark.parametrize(("gate", "client"), [("embedded", "skopeo")], indirect=True)
def test_a_signature_counts_once_its_signer_is_added_and_no_more_once_it_is_removed(
    client: Client, gate: Gate, tmp_path: Path
) -> None:
    if shutil.which("cosign") is None:
        pytest.skip("cosign is not installed")
    made = run("cosign", "generate-key-pair", environment={"COSIGN_PASSWORD": ""}, cwd=tmp_path)
    assert made.ok, made.text
    key = SigningKey(tmp_path)
    reference = f"{gate.host}/signed/second-signer:1"
    assert client.login(gate.host, gate.developer).ok
    pushed = client.push(image(debian(), {"srv/signed": b"by the second"}), reference)
    assert pushed.ok, pushed.text
    signed = key.sign(gate, reference, gate.developer)
    assert signed.ok, signed.text
    assert client.login(gate.host, gate.operator).ok
    assert "require.signatures" in client.pull(reference).text, "nobody knows the signer yet"

    at = ("--gate", gate.running.url, "--token", gate.admin)
    policy = (gate.running.state / "policy.yaml").read_text()
    added = gate.running.command(
        "signer", "add", "second", "--key", str(tmp_path / "cosign.pub"), "--repository", "signed/**", *at
    )
    assert added.returncode == 0, added.stderr
    assert pulled_in_time(client, reference, wanted=True)

    removed = gate.running.command("signer", "remove", "second", *at)
    assert removed.returncode == 0, removed.stderr
    assert pulled_in_time(client, reference, wanted=False)
    assert "require.signatures" in client.pull(reference).text
    assert (gate.running.state / "policy.yaml").read_text() == policy
    assert [record["actor"] for record in gate.running.audit("--event", "signer-added")] == ["root"]


def pulled_in_time(client: Client, reference: str, *, wanted: bool) -> bool:
    """Whether it can be pulled, or no more, once the gate has taken the new policy up."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if client.pull(reference).ok is wanted:
            return True
        time.sleep(0.2)
    return False
