"""Charts and other artifacts, as helm and oras push them, where the policy takes charts only and where it takes all."""

import secrets
from pathlib import Path

import pytest

from tests.e2e.clients.tools import Helm, Oras
from tests.e2e.conftest import Gate, need
from tests.images import File, tar

pytestmark = pytest.mark.real


@pytest.fixture
def helm(gate: Gate, tmp_path: Path) -> Helm:
    """helm, logged in, with a chart `app-0.1.0.tgz` of its own making."""
    need("helm")
    client = Helm(tmp_path)
    for said in (client.login(gate.host, gate.developer), client.run("create", "app"), client.run("package", "app")):
        assert said.ok, said.text
    return client


@pytest.fixture
def oras(gate: Gate, tmp_path: Path) -> Oras:
    """oras, logged in."""
    need("oras")
    client = Oras(tmp_path)
    said = client.login(gate.host, gate.developer)
    assert said.ok, said.text
    return client


def test_a_chart_that_helm_made_is_one(gate: Gate, helm: Helm, tmp_path: Path) -> None:
    home = f"oci://{gate.host}/charts/{secrets.token_hex(8)}"

    pushed = helm.run("push", "--plain-http", "app-0.1.0.tgz", home)
    assert pushed.ok, pushed.text
    (tmp_path / "pulled").mkdir()
    pulled = helm.run("pull", "--plain-http", f"{home}/app", "--version", "0.1.0", "--destination", "pulled")

    assert pulled.ok, pulled.text
    assert (tmp_path / "pulled" / "app-0.1.0.tgz").read_bytes() == (tmp_path / "app-0.1.0.tgz").read_bytes()


def test_t46_what_only_calls_itself_a_chart_is_refused(gate: Gate, oras: Oras, tmp_path: Path) -> None:
    (tmp_path / "chart.json").write_text('{"name": "app"}')
    (tmp_path / "app.tgz").write_bytes(tar({"srv/run": File(b"#!/bin/sh\n", 0o755)}))

    refused = oras.run(
        "push", "--plain-http", f"{gate.host}/charts/{secrets.token_hex(8)}:1",
        "--config", "chart.json:application/vnd.cncf.helm.config.v1+json",
        "app.tgz:application/vnd.cncf.helm.chart.content.v1.tar+gzip", cwd=tmp_path,
    )  # fmt: skip

    assert not refused.ok
    printed = " ".join(refused.text.split())
    assert "an artifact of no kind that is known, and this repository takes helm-chart [artifacts]" in printed


def test_what_oras_pushes_without_a_type_is_taken_and_looked_into(gate: Gate, oras: Oras, tmp_path: Path) -> None:
    reference = f"{gate.host}/files/{secrets.token_hex(8)}"
    (tmp_path / "report.txt").write_text("a report")
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "ssh").write_bytes(b"\x7fELF")

    pushed = oras.run("push", "--plain-http", f"{reference}:1", "report.txt", cwd=tmp_path)
    refused = oras.run("push", "--plain-http", f"{reference}:2", "report.txt", "tools", cwd=tmp_path)
    pulled = oras.run("pull", "--plain-http", f"{reference}:1", "--output", "pulled", cwd=tmp_path)

    assert pushed.ok, pushed.text
    assert pulled.ok, pulled.text
    assert (tmp_path / "pulled" / "report.txt").read_text() == "a report"
    assert not refused.ok
    assert "tools/ssh: a tool of the kind ssh-client" in " ".join(refused.text.split())
