"""A connection is cut in the middle of a layer: pulls and pushes are whole in the end, with every real client."""

import http.client
import re
import secrets
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from scanning.oci.digest import Digest
from tests.e2e.clients import Client, Helm, Said, run
from tests.e2e.conftest import Gate, need
from tests.e2e.relay import CuttingRelay, Way, relay_to
from tests.e2e.running_gate import RunningGate
from tests.e2e.test_every_client import names
from tests.e2e.wire import Answer, Wire
from tests.images import TestImage, debian, image
from tests.ports import free_port
from tests.registries import fresh_repository

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]

LAYER_BYTES = 4 << 20
CUT_AFTER = 2 << 20
RESUMING = {"docker", "docker-containerd", "ctr"}
"""Clients that keep the part of a layer they have, and ask for the rest. The others ask for the layer again."""


@pytest.fixture(scope="module")
def relayed(gate: Gate) -> Iterator[tuple[Gate, CuttingRelay]]:
    """A second gate on the state of `gate`, known to its clients by the address of a relay."""
    first, port = gate.running, free_port()
    with relay_to(port) as relay:
        extra = first.extra | {"IMAGEGATE_PUBLIC_URL": f"http://{relay.host}"}
        running = RunningGate(first.state, first.upstream, port, extra).start()
        try:
            yield replace(gate, running=running), relay
        finally:
            status = running.stop()
        assert status == 0, running.log


@pytest.fixture
def content() -> bytes:
    """What no compression makes smaller."""
    return secrets.token_bytes(LAYER_BYTES)


@pytest.fixture
def large(content: bytes) -> TestImage:
    """An image with one layer that is long enough to be cut."""
    return image(debian(), {"srv/data": content})


def until_done(command: Callable[[], Said]) -> None:
    """Run a command as often as a person would."""
    said = command()
    for _ in range(2):
        said = said if said.ok else command()
    assert said.ok, said.text


def test_a_pull_is_whole_though_it_was_cut(
    every_client: Client, relayed: tuple[Gate, CuttingRelay], large: TestImage
) -> None:
    gate, relay = relayed
    repository = fresh_repository(every_client.name)
    assert Wire(gate.running.port, gate.developer).push(str(repository), "1", large).status == 201
    reference = f"{relay.host}/{repository}:1"
    said = every_client.login(relay.host, gate.operator)
    assert said.ok, said.text
    cut = relay.cut(Way.DOWN, CUT_AFTER)
    until_done(lambda: every_client.pull(reference))
    assert cut.made
    assert every_client.holds(reference) in names(gate, repository, "1")
    if every_client.name in RESUMING:
        assert relay.resumed_at
        assert 0 < min(relay.resumed_at) <= CUT_AFTER


def test_a_push_is_whole_though_it_was_cut(
    every_client: Client, relayed: tuple[Gate, CuttingRelay], large: TestImage
) -> None:
    gate, relay = relayed
    repository = fresh_repository(every_client.name)
    said = every_client.login(relay.host, gate.developer)
    assert said.ok, said.text
    cut = relay.cut(Way.UP, CUT_AFTER)
    until_done(lambda: every_client.push(large, f"{relay.host}/{repository}:1"))
    assert cut.made
    pulled = Wire(gate.running.port, gate.operator)
    for layer in pulled.send("GET", f"/v2/{repository}/manifests/1").json["layers"]:
        got = pulled.send("GET", f"/v2/{repository}/blobs/{layer['digest']}")
        assert (got.status, str(Digest.of(got.body))) == (200, layer["digest"])


def test_a_chart_is_whole_though_helm_was_cut_both_ways(
    relayed: tuple[Gate, CuttingRelay], content: bytes, tmp_path: Path
) -> None:
    need("helm")
    gate, relay = relayed
    helm, charts = Helm(tmp_path), f"oci://{relay.host}/{fresh_repository('charts')}"
    assert helm.run("create", "app").ok
    (tmp_path / "app" / "data").write_bytes(content[: LAYER_BYTES // 4])
    assert helm.run("package", "app").ok
    said = helm.login(relay.host, gate.developer)
    assert said.ok, said.text

    cut = relay.cut(Way.UP, CUT_AFTER // 4)
    until_done(lambda: helm.run("push", "--plain-http", "app-0.1.0.tgz", charts))
    assert cut.made
    (tmp_path / "pulled").mkdir()
    cut = relay.cut(Way.DOWN, CUT_AFTER // 4)
    pull = ("pull", "--plain-http", f"{charts}/app", "--version", "0.1.0", "--destination", "pulled")
    until_done(lambda: helm.run(*pull))
    assert cut.made
    assert (tmp_path / "pulled" / "app-0.1.0.tgz").read_bytes() == (tmp_path / "app-0.1.0.tgz").read_bytes()


def test_curl_goes_on_where_its_download_was_cut(
    relayed: tuple[Gate, CuttingRelay], large: TestImage, tmp_path: Path
) -> None:
    need("curl")
    gate, relay = relayed
    repository = fresh_repository("curl")
    assert Wire(gate.running.port, gate.developer).push(str(repository), "1", large).status == 201
    digest, content = max(large.blobs.items(), key=lambda blob: len(blob[1]))
    target = tmp_path / "layer"
    command = (
        "curl", "--silent", "--show-error", "--fail", "--user", f"me:{gate.operator}", "--continue-at", "-",
        "--output", str(target), f"http://{relay.host}/v2/{repository}/blobs/{digest}",
    )  # fmt: skip
    relay.cut(Way.DOWN, CUT_AFTER)
    cut_off = run(*command)
    assert not cut_off.ok
    have = target.stat().st_size
    assert 0 < have <= CUT_AFTER
    until_done(lambda: run(*command))
    assert relay.resumed_at == [have]
    assert target.read_bytes() == content


def arrived(answer: Answer) -> int:
    """How many bytes of an upload the gate has."""
    said = re.fullmatch(r"0-(\d+)", answer.headers["range"])
    assert said
    return int(said[1]) + 1 if int(said[1]) else 0


def go_on(wire: Wire, target: str, content: bytes) -> Answer:
    """Ask how much of an upload has arrived, and send the rest."""
    status = wire.send("GET", target)
    if status.status != 204:
        return status
    at = arrived(status)
    assert 0 <= at <= CUT_AFTER
    span = {"Content-Type": "application/octet-stream", "Content-Range": f"{at}-{len(content) - 1}"}
    return wire.send("PATCH", wire.target(status.headers["location"]), span, content[at:])


def test_an_upload_goes_on_from_what_had_arrived_when_it_was_cut(
    relayed: tuple[Gate, CuttingRelay], content: bytes
) -> None:
    gate, relay = relayed
    wire, repository = Wire(relay.port, gate.developer), fresh_repository("chunks")
    begun = wire.send("POST", f"/v2/{repository}/blobs/uploads/", body=b"")
    target = wire.target(begun.headers["location"])
    relay.cut(Way.UP, CUT_AFTER)
    with pytest.raises((OSError, http.client.HTTPException)):
        wire.send("PATCH", target, {"Content-Type": "application/octet-stream"}, content)

    # The last of what was sent may still be arriving: then 416 is the answer, and one asks again.
    while (patched := go_on(wire, target, content)).status == 416:
        pass
    if gate.running.upstream and patched.status == 404:
        # Asked before it has heard how the chunk ended, docker-registry forgets the upload.
        assert patched.code == "BLOB_UPLOAD_UNKNOWN"
        assert patched.error["message"].endswith("begin a new one")
        wire.push_blob(str(repository), content)
        return
    assert patched.status == 202
    digest = Digest.of(content)
    target = wire.target(patched.headers["location"])
    assert wire.send("PUT", f"{target}{'&' if '?' in target else '?'}digest={digest}", body=b"").status == 201
    assert wire.send("GET", f"/v2/{repository}/blobs/{digest}").body == content
