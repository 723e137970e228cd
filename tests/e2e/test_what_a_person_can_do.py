"""The six things a person can do, with each real client, in front of both upstreams.

A client takes up to half a minute of processor time to pack a real Debian: each of the three goes to both upstreams, by
one client to each, and over all three every client has taken one to each upstream. What each client makes of a refusal,
small images show, before both (`test_every_client`).
"""

import re

import pytest

from tests.e2e.clients import Client
from tests.e2e.conftest import Gate, SigningKey
from tests.images import File, TestImage, debian, dpkg_status, image

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]


def at(**clients: str) -> pytest.MarkDecorator:
    """Run at these gates, with one client each."""
    return pytest.mark.parametrize(("gate", "client"), clients.items(), indirect=True)


def application(name: str, *layers: dict[str, File | bytes]) -> TestImage:
    """A small clean image that no other test has pushed."""
    return image(debian(), {f"srv/{name}": name.encode()}, *layers)


def developer(client: Client, gate: Gate) -> Client:
    """The client, logged in as a developer."""
    said = client.login(gate.host, gate.developer)
    assert said.ok, said.text
    return client


def operator(client: Client, gate: Gate) -> Client:
    """The client, logged in with a token that may only pull."""
    said = client.login(gate.host, gate.operator)
    assert said.ok, said.text
    return client


def test_1_login_takes_a_token_as_password_and_nothing_else(client: Client, gate: Gate) -> None:
    refused = client.login(gate.host, "igt_0123456789abcdef_" + "x" * 43)
    assert not refused.ok
    assert client.login(gate.host, gate.developer).ok


@at(embedded="docker", remote="skopeo")
def test_2_an_image_with_an_ssh_client_is_refused_and_the_line_says_why(
    client: Client, gate: Gate, debian_images: dict[str, TestImage]
) -> None:
    reference = f"{gate.host}/{client.name}/with-ssh:1"
    said = developer(client, gate).push(debian_images["ssh"], reference)
    assert not said.ok
    told = re.search(
        r"openssh-client (1:9\S+) in usr/bin/ssh of layer .*: .*\[deny\.tools\].*imagegate verdict show (\w+)",
        said.text,
    )
    assert told, said.text
    shown = gate.running.command("verdict", "show", told[2])
    assert shown.returncode == 0
    assert "REFUSED" in shown.stdout
    assert f"openssh-client {told[1]}" in shown.stdout
    assert not operator(client, gate).pull(reference).ok


@at(embedded="skopeo", remote="podman")
@pytest.mark.usefixtures("testdata")
def test_3_an_unpatched_image_is_refused_with_cve_package_and_versions(
    client: Client, gate: Gate, debian_images: dict[str, TestImage]
) -> None:
    reference = f"{gate.host}/{client.name}/unpatched:1"
    said = developer(client, gate).push(debian_images["unpatched"], reference)
    assert not said.ok
    told = re.search(
        r"CVE-\d+-\d+.* in package (\S+) (\S+) of layer .*: .* fixed in (\S+) \[deny\.findings\]; upgrade", said.text
    )
    assert told, said.text
    verdict = re.search(r"imagegate verdict show (\w+)", said.text)
    assert verdict, said.text
    everything = gate.running.command("verdict", "show", verdict[1]).stdout
    assert re.search(r"\bopenssl\b.* 3\.0\.20-1~deb12u2\s+->\s+3\.0\.22-1~deb12u2", everything), everything
    assert "RUN apt-get update && apt-get install" in everything


@at(embedded="podman", remote="docker")
def test_3_its_patched_twin_is_admitted(client: Client, gate: Gate, debian_images: dict[str, TestImage]) -> None:
    reference = f"{gate.host}/{client.name}/patched:1"
    said = developer(client, gate).push(debian_images["patched"], reference)
    assert said.ok, said.text
    pulled = operator(client, gate).pull(reference)
    assert pulled.ok, pulled.text


def test_4_an_unsigned_image_waits_in_quarantine_until_it_is_signed(
    client: Client, gate: Gate, signing_key: SigningKey
) -> None:
    reference = f"{gate.host}/signed/{client.name}/app:1"
    pushed = developer(client, gate).push(application(f"quarantine-{client.name}"), reference)
    assert pushed.ok, pushed.text
    assert client.pull(reference).ok, "the pusher can read it"
    refused = operator(client, gate).pull(reference)
    assert not refused.ok
    assert "require.signatures" in refused.text
    assert "denied" in refused.text.lower()

    signed = signing_key.sign(gate, reference, gate.developer)
    assert signed.ok, signed.text
    pulled = client.pull(reference)
    assert pulled.ok, pulled.text
    digest = re.search(r"Pushing signature to|sha256:[0-9a-f]{64}", signed.text)
    assert digest
    promoted = [record for record in gate.running.audit("--event", "promote") if record["detail"] == "1"]
    assert promoted[0]["repository"] == f"signed/{client.name}/app"
    by_digest = client.pull(f"{gate.host}/signed/{client.name}/app@{promoted[0]['digest']}")
    assert by_digest.ok, by_digest.text


def test_5_a_package_that_is_not_vetted_is_refused_by_name(client: Client, gate: Gate) -> None:
    metadata = b"Metadata-Version: 2.1\nName: left-pad\nVersion: 1.0\n"
    path = "usr/lib/python3/dist-packages/left_pad-1.0.dist-info/METADATA"
    said = developer(client, gate).push(
        application(f"unvetted-{client.name}", {path: metadata}), f"{gate.host}/vetted/{client.name}:1"
    )
    assert not said.ok
    assert re.search(
        r"left-pad 1\.0 in \S+METADATA of layer \w+ \(layer \d+\): pkg:pypi/left-pad@1\.0 is not vetted", said.text
    ), said.text
    vetted = client.push(application(f"vetted-{client.name}"), f"{gate.host}/vetted/{client.name}:2")
    assert vetted.ok, vetted.text


def test_audit_mode_lets_through_what_enforcing_would_refuse(client: Client, gate: Gate) -> None:
    with_ssh = image(debian(("openssh-client", "1:9.2p1-2")), {"usr/bin/ssh": File(b"\x7fELF usage: ssh [-46]", 0o755)})
    reference = f"{gate.host}/audited/{client.name}:1"
    assert developer(client, gate).push(with_ssh, reference).ok
    assert operator(client, gate).pull(reference).ok
    newest = gate.running.command("verdict", "list", "--repository", f"audited/{client.name}").stdout
    assert "reject (audit)" in newest


def test_a_package_removed_by_a_later_layer_is_not_held_against_the_image(client: Client, gate: Gate) -> None:
    removed = image(
        debian(("openssh-client", "1:9.2p1-2")) | {"usr/bin/ssh": File(b"\x7fELF usage: ssh [-46]", 0o755)},
        {"usr/bin/.wh.ssh": b"", "var/lib/dpkg/status": dpkg_status(("base-files", f"12.4{client.name}"))},
    )
    said = developer(client, gate).push(removed, f"{gate.host}/{client.name}/removed:1")
    assert said.ok, said.text
