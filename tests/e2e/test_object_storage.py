"""A gate whose embedded registry keeps its blobs in a bucket, where clients fetch them by themselves."""

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from storage.content.s3 import S3Location
from tests.e2e.clients import Client
from tests.e2e.running_gate import RunningGate
from tests.e2e.wire import Wire
from tests.images import debian, image
from tests.object_storage import s3_endpoint, s3_location
from tests.registries import registry_in_bucket

__all__ = ["s3_endpoint", "s3_location"]

IMAGE = image(debian(), {"srv/name": b"object storage"})
REPOSITORY = "team/app"


@pytest.fixture
def gate(s3_location: S3Location, tmp_path: Path) -> Iterator[RunningGate]:
    """Its bucket is on a server of the test's own."""
    bucket = {
        "KIND": "s3",
        "S3__BUCKET": s3_location.bucket,
        "S3__ENDPOINT_URL": s3_location.endpoint_url or "",
        "S3__REGION": s3_location.region or "",
        "S3__PREFIX": "registry",
        "S3__PRESIGNED_SECONDS": "60",
    }
    extra = {f"IMAGEGATE_CONTENT__{name}": value for name, value in bucket.items()}
    running = RunningGate(tmp_path / "state", extra=extra).start()
    yield running
    assert running.stop() == 0, running.log


def test_an_image_is_pushed_through_the_gate_and_its_blobs_are_pulled_from_the_bucket(
    gate: RunningGate, s3_location: S3Location
) -> None:
    pusher, puller = (Wire(gate.port, gate.token(role, role, "**")) for role in ("developer", "operator"))
    assert pusher.push(REPOSITORY, "1", IMAGE).status == 201
    for digest, content in IMAGE.blobs.items():
        path = f"/v2/{REPOSITORY}/blobs/{digest}"
        said = puller.send("GET", path)
        assert (said.status, said.body, said.headers["docker-content-digest"]) == (307, b"", str(digest))
        address = urlsplit(said.headers["location"])
        assert f"{address.scheme}://{address.netloc}" == s3_location.endpoint_url
        assert address.path.startswith(f"/{s3_location.bucket}/registry/blobs/sha256/")
        assert puller.token not in said.headers["location"]
        assert fetched(said.headers["location"]) == content
        assert fetched(said.headers["location"], "bytes=1-3") == content[1:4]
        assert puller.send("HEAD", path).headers["content-length"] == str(len(content))
    assert not list((gate.state / "content").rglob("*/sha256/**/*"))


@pytest.mark.real
def test_clients_follow_to_the_bucket(gate: RunningGate, client: Client) -> None:
    reference = f"{gate.host}/{REPOSITORY}:1"
    for role in ("developer", "operator"):
        login = client.login(gate.host, gate.token(role, role, "**"))
        assert login.ok, login.text
        said = client.push(IMAGE, reference) if role == "developer" else client.pull(reference)
        assert said.ok, said.text
    requests = [json.loads(line) for line in gate.log.splitlines() if line.startswith("{")]
    assert [one for one in requests if one.get("status") == 307], "no blob was fetched from the bucket"


def test_the_policy_can_keep_a_repositorys_blobs_with_the_gate(gate: RunningGate) -> None:
    kept = "vault/app"
    assert gate.stop() == 0, gate.log
    policy = gate.state / "policy.yaml"
    rule = "  - repositories: [vault/**]\n    redirect_blobs: false\n"
    policy.write_text(policy.read_text().replace("rules:\n", f"rules:\n{rule}", 1))
    gate.start()
    pusher, puller = (Wire(gate.port, gate.token(role, role, "**")) for role in ("developer", "operator"))
    for repository, status in ((kept, 200), (REPOSITORY, 307)):
        assert pusher.push(repository, "1", IMAGE).status == 201
        assert {puller.send("GET", f"/v2/{repository}/blobs/{digest}").status for digest in IMAGE.blobs} == {status}


def test_t35_where_a_refused_image_lies_is_told_to_nobody(gate: RunningGate) -> None:
    pusher, puller = (Wire(gate.port, gate.token(role, role, "**")) for role in ("developer", "operator"))
    refused = image(debian(("openssh-client", "1:9.2p1-2")), {"usr/bin/ssh": b"\x7fELF usage: ssh ["})
    assert pusher.push(REPOSITORY, "1", refused).status == 403
    for digest in refused.blobs:
        said = puller.send("GET", f"/v2/{REPOSITORY}/blobs/{digest}")
        assert said.status in (403, 404)
        assert "location" not in said.headers


@pytest.mark.real
def test_t84_a_real_registrys_redirect_is_passed_on_to_the_host_that_is_allowed_only(
    s3_location: S3Location, tmp_path: Path
) -> None:
    endpoint = urlsplit(s3_location.endpoint_url or "")
    allowed = {"IMAGEGATE_UPSTREAM__CLIENT_REDIRECT_HOSTS": endpoint.netloc}
    trusted = {"IMAGEGATE_UPSTREAM__REDIRECT_HOSTS": endpoint.netloc}
    with registry_in_bucket(tmp_path, s3_location.bucket, endpoint.geturl()) as registry:
        gate = RunningGate(tmp_path / "state", registry.url, extra=allowed | trusted).start()
        pusher, puller = (Wire(gate.port, gate.token(role, role, "**")) for role in ("developer", "operator"))
        assert pusher.push(REPOSITORY, "1", IMAGE).status == 201
        for digest, content in IMAGE.blobs.items():
            said = puller.send("GET", f"/v2/{REPOSITORY}/blobs/{digest}")
            assert said.status == 307
            assert urlsplit(said.headers["location"]).netloc == endpoint.netloc
            assert fetched(said.headers["location"]) == content
            assert fetched(said.headers["location"], "bytes=1-3") == content[1:4]
        assert gate.stop() == 0, gate.log

        gate = RunningGate(gate.state, registry.url, extra=trusted).start()
        streaming = Wire(gate.port, puller.token)
        for digest, content in IMAGE.blobs.items():
            said = streaming.send("GET", f"/v2/{REPOSITORY}/blobs/{digest}")
            assert (said.status, said.body) == (200, content)
        assert gate.stop() == 0, gate.log


def fetched(address: str, span: str = "") -> bytes:
    """What somebody without any credential gets there."""
    request = urllib.request.Request(address, headers={"Range": span} if span else {})  # noqa: S310 (our own server)
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 (our own server)
        content: bytes = answer.read()
        return content
