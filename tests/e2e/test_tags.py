"""What a person sees of tags that must stay, or must not go back."""

import secrets

import pytest

from tests.e2e.clients import Client
from tests.e2e.conftest import Gate
from tests.images import debian, image

pytestmark = pytest.mark.real

FIRST = image(debian(), {"srv/release": b"1"})
SECOND = image(debian(), {"srv/release": b"2"})


def test_t19_a_client_that_moves_an_immutable_tag_prints_why_it_may_not(gate: Gate, client: Client) -> None:
    reference = f"{gate.host}/releases/{secrets.token_hex(8)}:v1"
    assert client.login(gate.host, gate.developer).ok
    pushed = client.push(FIRST, reference)
    assert pushed.ok, pushed.text

    refused = client.push(SECOND, reference)

    assert not refused.ok
    printed = " ".join(refused.text.split())
    assert "denied: " in printed
    assert "cannot be moved: it is immutable [tags.immutable]; push under another tag" in printed
    again = client.push(FIRST, reference)
    assert again.ok, again.text


def test_a_client_that_takes_a_tag_back_to_older_packages_prints_which(gate: Gate, client: Client) -> None:
    reference = f"{gate.host}/rolling/{secrets.token_hex(8)}"
    assert client.login(gate.host, gate.developer).ok
    pushed = client.push(image(debian(("bash", "5.2.15-2"))), f"{reference}:latest")
    assert pushed.ok, pushed.text
    older = image(debian(("bash", "5.2.9-1")))

    refused = client.push(older, f"{reference}:latest")

    assert not refused.ok
    printed = " ".join(refused.text.split())
    assert "denied" in printed
    assert "bash 5.2.15-2 -> 5.2.9-1" in printed
    assert "the tag latest has had newer versions [tags.downgrade]; build it with newer packages" in printed
    elsewhere = client.push(older, f"{reference}:5.2.9")
    assert elsewhere.ok, elsewhere.text
