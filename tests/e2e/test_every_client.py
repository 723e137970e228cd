"""What every real client does at the gate, in front of both upstreams: push, copy, pull, list, delete, be refused."""

import re

import pytest

from scanning.oci.digest import Digest
from tests.e2e.clients import Client, Curator, Podman
from tests.e2e.conftest import Gate
from tests.e2e.wire import Wire
from tests.images import TestImage, debian, image
from tests.registries import fresh_repository

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]

SILENT = {"ctr"}
"""Clients that print the status of a refusal, and not its message."""
BEFORE = {"docker-containerd": "error from registry: ", "crane": "DENIED: ", "regctl": '"message": "'}
"""What stands before the message where that is not `denied: `."""


def application(repository: object) -> TestImage:
    """A small clean image that no other test has pushed."""
    return image(debian(), {"srv/name": str(repository).encode()})


def log_in(client: Client, gate: Gate, token: str) -> None:
    """Log in, or fail."""
    said = client.login(gate.host, token)
    assert said.ok, said.text


def names(gate: Gate, repository: object, tag: str) -> tuple[str, str]:
    """The digests of the manifest and of the configuration a tag stands for."""
    got = Wire(gate.running.port, gate.operator).send("GET", f"/v2/{repository}/manifests/{tag}")
    assert got.status == 200, got
    return str(Digest.of(got.body)), got.json["config"]["digest"]


def test_it_pushes_copies_and_pulls_what_it_pushed(every_client: Client, gate: Gate) -> None:
    client, repository = every_client, fresh_repository(every_client.name)
    pushed, copied = f"{gate.host}/{repository}:1", f"{gate.host}/{repository}-copy:2"
    log_in(client, gate, gate.developer)
    said = client.push(application(repository), pushed)
    assert said.ok, said.text
    said = client.copy(pushed, copied)
    assert said.ok, said.text
    log_in(client, gate, gate.operator)
    for reference, stands_for in (
        (pushed, names(gate, repository, "1")),
        (copied, names(gate, f"{repository}-copy", "2")),
    ):
        said = client.pull(reference)
        assert said.ok, said.text
        assert client.holds(reference) in stands_for
    assert names(gate, repository, "1")[1] == names(gate, f"{repository}-copy", "2")[1]


def test_a_refused_push_says_what_where_why_and_how_to_mend_it(every_client: Client, gate: Gate) -> None:
    repository = fresh_repository(every_client.name)
    with_ssh = image(debian(("openssh-client", "1:9.2p1-2")), {"srv/name": str(repository).encode()})
    log_in(every_client, gate, gate.developer)
    said = every_client.push(with_ssh, f"{gate.host}/{repository}:1")
    assert not said.ok
    if every_client.name in SILENT:
        assert "403 Forbidden" in said.text
        return
    told = re.search(
        rf"{BEFORE.get(every_client.name, 'denied: ')}{repository}:1 is refused: "
        r"ssh from package openssh-client 1:9\.2p1-2 in var/lib/dpkg/status of layer \w+ \(layer 0\): "
        r".* is not allowed \[deny\.tools\]; remove the package openssh-client and build again -- "
        r"see: imagegate verdict show (\w+)",
        said.text,
    )
    assert told, said.text
    assert "REFUSED" in gate.running.command("verdict", "show", told[1]).stdout


@pytest.mark.parametrize("gate", ["embedded"], indirect=True)
def test_who_may_not_push_there_is_told_whom_to_ask(every_client: Client, gate: Gate) -> None:
    log_in(every_client, gate, gate.running.token("elsewhere", "developer", "elsewhere/**"))
    repository = fresh_repository(every_client.name)
    said = every_client.push(application(repository), f"{gate.host}/{repository}:1")
    assert not said.ok
    if every_client.name not in SILENT:
        told = re.search(
            r"'elsewhere' \(developer\) may not \w+ (\S+); ask an administrator for one that covers", said.text
        )
        assert told, said.text
        assert told[1] == str(repository)


def test_a_refused_pull_says_what_is_missing(every_client: Client, gate: Gate) -> None:
    repository = f"signed/{fresh_repository(every_client.name)}"
    reference = f"{gate.host}/{repository}:1"
    log_in(every_client, gate, gate.developer)
    said = every_client.push(application(repository), reference)
    assert said.ok, said.text
    log_in(every_client, gate, gate.operator)
    refused = every_client.pull(reference)
    assert not refused.ok
    if every_client.name in SILENT:
        assert "403 Forbidden" in refused.text
    else:
        assert re.search(r"is in quarantine.*\[require\.signatures\]; sign it with: cosign", refused.text), refused.text


def test_it_lists_and_deletes(curator: Curator, gate: Gate) -> None:
    repository = fresh_repository(curator.name)
    log_in(curator, gate, gate.developer)
    for tag in ("1", "2"):
        said = curator.push(application(f"{repository}{tag}"), f"{gate.host}/{repository}:{tag}")
        assert said.ok, said.text
    assert curator.tags(f"{gate.host}/{repository}") == ["1", "2"]
    assert not curator.delete(f"{gate.host}/{repository}:1").ok, "a developer may not delete"
    log_in(curator, gate, gate.admin)
    said = curator.delete(f"{gate.host}/{repository}:1")
    assert said.ok, said.text
    assert curator.tags(f"{gate.host}/{repository}") == ["2"]
    assert not curator.pull(f"{gate.host}/{repository}:1").ok
    assert curator.pull(f"{gate.host}/{repository}:2").ok


@pytest.mark.parametrize("every_client", ["podman"], indirect=True)
def test_podman_lists_tags_as_a_search(every_client: Podman, gate: Gate) -> None:
    repository = fresh_repository("podman")
    log_in(every_client, gate, gate.developer)
    for tag in ("1", "2"):
        said = every_client.push(application(repository), f"{gate.host}/{repository}:{tag}")
        assert said.ok, said.text
    assert every_client.tags(f"{gate.host}/{repository}") == ["1", "2"]
