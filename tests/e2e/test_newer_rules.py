"""What people read when the rules about what others imitate, rush or replace refuse their push."""

import secrets

import pytest

from tests.e2e.clients import Client
from tests.e2e.conftest import Gate
from tests.images import File, TestImage, debian, image

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]

TOOL = "usr/bin/tool"


def with_python(name: str, version: str) -> TestImage:
    """An image with a package of PyPI, which no other test has pushed."""
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode()
    folder = f"usr/lib/python3/dist-packages/{name}-{version}.dist-info"
    return image(debian(), {f"{folder}/METADATA": metadata, "srv/name": secrets.token_bytes(8)})


def reference(gate: Gate, prefix: str, tag: str = "1") -> str:
    return f"{gate.host}/{prefix}/{secrets.token_hex(8)}:{tag}"


def printed_by(client: Client, gate: Gate, pushed: TestImage, to: str) -> str:
    """What the client prints of a push that is refused, with single spaces."""
    assert client.login(gate.host, gate.developer).ok
    refused = client.push(pushed, to)
    assert not refused.ok, refused.text
    return " ".join(refused.text.split())


def test_a_name_that_is_taken_for_anothers_is_told_with_the_other(gate: Gate, client: Client) -> None:
    printed = printed_by(client, gate, with_python("reqeusts", "1.0"), reference(gate, "squats"))

    assert "reqeusts 1.0 in usr/lib/python3/dist-packages/reqeusts-1.0.dist-info/METADATA" in printed
    assert "its name is easily taken for requests, a well-known package of pypi [deny.typosquats]" in printed


def test_a_version_that_is_too_new_is_told_with_when_to_come_again(gate: Gate, client: Client) -> None:
    name = f"own-{secrets.token_hex(6)}"
    printed = printed_by(client, gate, with_python(name, "2.0"), reference(gate, "young"))

    assert f"{name} 2.0 in usr/lib" in printed
    assert "a version must have been known for 7d [require.minimum_age]; wait until 20" in printed


def test_h35_a_program_of_the_base_that_was_replaced_is_told_by_its_path(gate: Gate, client: Client) -> None:
    own = secrets.token_hex(8).encode()
    below = debian() | {TOOL: File(b"\x7fELF" + own, 0o755)}
    base = reference(gate, "based", "base")
    assert client.login(gate.host, gate.developer).ok
    pushed = client.push(image(below), base)
    assert pushed.ok, pushed.text
    approved = gate.running.command(
        "base", "approve", base.removeprefix(f"{gate.host}/"), "--repository", "based/**", "--reason", "a test"
    )
    assert approved.returncode == 0, approved.stderr

    replaced = image(below, {TOOL: File(b"\x7fELF other" + own, 0o755)})
    printed = printed_by(client, gate, replaced, reference(gate, "based"))

    assert f"H35 program of the approved base image that was replaced in {TOOL}" in printed
    assert "what was approved is not what runs" in printed
    assert "[deny.hardening]" in printed
