"""Attacks that work against a naive proxy, by their numbers, against a running gate in front of both upstreams."""

import asyncio
import gzip
import http.client
import json
import os
import secrets
import select
import socket
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from proxy.identity.keys import TOKENS
from scanning import sbom
from scanning.oci import media_types
from scanning.oci.digest import Digest
from scanning.sbom import SbomFormat
from storage import signing_keys
from storage.database import Database
from tests.e2e.conftest import READ_TIMEOUT_SECONDS, Gate
from tests.e2e.wire import Answer, Wire
from tests.images import TestImage, debian, descriptor, image, image_of_layers, index, tar

pytestmark = pytest.mark.real
OCTETS = {"Content-Type": "application/octet-stream"}


@pytest.fixture
def wire(gate: Gate) -> Wire:
    """The gate, as a developer."""
    return Wire(gate.running.port, gate.developer)


@pytest.fixture
def operator(gate: Gate) -> Wire:
    """The gate, with a token that may only pull."""
    return Wire(gate.running.port, gate.operator)


@pytest.fixture
def repository() -> str:
    """A repository nobody has used."""
    return f"threats/{secrets.token_hex(8)}"


def clean(name: str) -> TestImage:
    """A small image that breaks no rule."""
    return image(debian(), {"srv/name": name.encode()})


def with_ssh(name: str) -> TestImage:
    """A small image that is refused."""
    return image(debian(("openssh-client", "1:9.2p1-2")), {"srv/name": name.encode()})


async def signing_key(database_url: str) -> bytes:
    """The key the gate signs its tokens with, out of its database."""
    database = await Database.open(database_url)
    async with database.snapshot() as tx:
        newest, *_ = await signing_keys.of(tx, TOKENS)
    await database.close()
    return newest.secret


def push_layer(wire: Wire, repository: str, packed: bytes, plain: bytes) -> Answer:
    """Push an image of one given layer."""
    return wire.push(
        repository, "1", image_of_layers([(packed, Digest.of(plain))], media_type=media_types.OCI_MANIFEST)
    )


def edited(image: TestImage, **changes: Any) -> bytes:
    """The image's manifest with top-level fields changed."""
    return json.dumps(json.loads(image.manifest) | changes).encode()


@pytest.mark.parametrize("claim", ["exp", "aud", "iss", "nbf"])
def test_t2_a_token_that_lacks_a_claim_is_refused_though_its_signature_is_right(gate: Gate, claim: str) -> None:
    asked = Wire(gate.running.port, gate.operator).send("GET", "/auth/token?service=imagegate")
    genuine = json.loads(asked.body)["token"]
    secret = asyncio.run(signing_key(gate.running.database_url))
    claims = jwt.decode(genuine, options={"verify_signature": False})
    key = Ed25519PrivateKey.from_private_bytes(secret)
    headers = {"kid": jwt.get_unverified_header(genuine)["kid"]}
    bare = Wire(gate.running.port)

    def ask(content: dict[str, Any]) -> int:
        token = jwt.encode(content, key, algorithm="EdDSA", headers=headers)
        return bare.send("GET", "/v2/", {"Authorization": f"Bearer {token}"}).status

    assert ask(claims) == 200
    del claims[claim]
    assert ask(claims) == 401


def test_t11_two_authorization_headers_are_refused(wire: Wire) -> None:
    header = f"Authorization: {wire.authorization['Authorization']}\r\n"
    said = wire.raw(f"GET /v2/ HTTP/1.1\r\nHost: x\r\n{header}{header}Connection: close\r\n\r\n".encode())
    assert said.startswith(b"HTTP/1.1 400 ")


def test_t14_a_mount_in_a_form_body_is_not_honoured(wire: Wire, repository: str) -> None:
    secret = wire.push_blob(f"{repository}-private", b"a private blob")
    said = wire.send(
        "POST",
        f"/v2/{repository}/blobs/uploads/",
        {"Content-Type": "application/x-www-form-urlencoded"},
        f"mount={secret}&from={repository}-private".encode(),
    )
    assert said.status == 415
    assert wire.send("HEAD", f"/v2/{repository}/blobs/{secret}").status == 404


def test_t15_a_digest_in_the_body_does_not_override_the_query(wire: Wire, repository: str) -> None:
    good, evil = b"good", b"evil"
    begun = wire.send("POST", f"/v2/{repository}/blobs/uploads/", body=b"")
    target = wire.target(begun.headers["location"])
    written = wire.send("PATCH", target, OCTETS, evil)
    target = wire.target(written.headers["location"])
    joint = "&" if "?" in target else "?"
    said = wire.send(
        "PUT",
        f"{target}{joint}digest={Digest.of(good)}",
        {"Content-Type": "application/x-www-form-urlencoded"},
        f"digest={Digest.of(evil)}".encode(),
    )
    assert said.status == 415
    for content in (good, evil):
        assert wire.send("HEAD", f"/v2/{repository}/blobs/{Digest.of(content)}").status == 404


@pytest.mark.parametrize("name", ["threats%2Fx", "threats%252Fx", "%74hreats/x"])
def test_t23_an_escaped_path_is_refused(wire: Wire, name: str) -> None:
    assert wire.send("GET", f"/v2/{name}/manifests/1").status == 400


def test_t24_dots_in_the_path_do_not_lead_elsewhere(gate: Gate, wire: Wire, repository: str) -> None:
    assert wire.push(f"{repository}-secret", "1", clean(repository)).status == 201
    narrow = Wire(gate.running.port, gate.running.token("narrow", "developer", f"{repository}/*"))
    for path in (
        f"/v2/{repository}/pub/manifests/x/../../../../{repository.split('/')[1]}-secret/manifests/1",
        f"/v2/{repository}/pub/../../{repository.split('/')[1]}-secret/manifests/1",
    ):
        assert narrow.send("GET", path).status in (400, 404)


@pytest.mark.parametrize("shape", ["/v2//{0}/manifests/1", "/v2/./{0}/manifests/1", "/v2/{0}/manifests/1/"])
def test_t25_odd_slashes_are_not_found_and_not_redirected(wire: Wire, repository: str, shape: str) -> None:
    said = wire.send("GET", shape.format(repository))
    assert (said.status, said.headers.get("location")) == (404, None)


def test_t26_a_forwarded_host_does_not_reach_a_location(wire: Wire, repository: str) -> None:
    forged = {"X-Forwarded-Host": "evil.example", "Host": "evil.example", "X-Forwarded-Proto": "https"}
    begun = wire.send("POST", f"/v2/{repository}/blobs/uploads/", forged, b"")
    assert begun.status == 202
    assert "evil.example" not in begun.headers["location"]
    challenge = Wire(wire.port).send("GET", "/v2/", forged).headers["www-authenticate"]
    assert "evil.example" not in challenge


def test_t28_an_encoded_request_body_is_refused(wire: Wire, repository: str) -> None:
    small = clean(repository)
    body = gzip.compress(small.manifest)
    said = wire.send(
        "PUT",
        f"/v2/{repository}/manifests/1",
        {"Content-Type": small.media_type, "Content-Encoding": "gzip"},
        body,
    )
    assert said.status == 415


def test_t29_a_compressed_blob_arrives_as_it_was_pushed(wire: Wire, repository: str) -> None:
    packed = gzip.compress(b"x" * 100_000)
    digest = wire.push_blob(repository, packed)
    said = wire.send("GET", f"/v2/{repository}/blobs/{digest}", {"Accept-Encoding": "gzip"})
    assert (said.body, said.headers["content-length"]) == (packed, str(len(packed)))
    assert "content-encoding" not in said.headers


def test_t30_an_unsatisfiable_range_is_answered_by_the_gate(wire: Wire, repository: str) -> None:
    digest = wire.push_blob(repository, b"0123456789")
    said = wire.send("GET", f"/v2/{repository}/blobs/{digest}", {"Range": "bytes=100-200"})
    assert (said.status, said.headers["content-range"]) == (416, "bytes */10")
    part = wire.send("GET", f"/v2/{repository}/blobs/{digest}", {"Range": "bytes=2-4"})
    assert (part.status, part.body, part.headers["content-range"]) == (206, b"234", "bytes 2-4/10")


@pytest.mark.parametrize("digest", ["sha256:zz", "sha256:" + "A" * 64, "md5:" + "a" * 32, "sha256:" + "a" * 63])
def test_t32_a_malformed_digest_is_named_as_such(wire: Wire, repository: str, digest: str) -> None:
    for kind in ("blobs", "manifests"):
        said = wire.send("GET", f"/v2/{repository}/{kind}/{digest}")
        assert (said.status, said.code) == (400, "DIGEST_INVALID")


def test_t33_a_manifest_over_four_mebibytes_is_refused(wire: Wire, repository: str) -> None:
    body = edited(clean(repository), annotations={"fill": "x" * (4 << 20)})
    assert wire.push_manifest(repository, "1", body, media_types.OCI_MANIFEST).status == 413
    below = edited(clean(repository), annotations={"fill": "x" * (2 << 20)})
    wire.push_blobs(repository, clean(repository))
    assert wire.push_manifest(repository, "1", below, media_types.OCI_MANIFEST).status == 201


def test_t34_a_manifest_uploaded_as_a_blob_is_judged_when_it_is_pulled(
    wire: Wire, operator: Wire, repository: str
) -> None:
    bad = with_ssh(repository)
    wire.push_blobs(repository, bad)
    digest = wire.push_blob(repository, bad.manifest)
    said = operator.send("GET", f"/v2/{repository}/manifests/{digest}", {"Accept": bad.media_type})
    assert said.status in (403, 404), said
    for blob in (*bad.blobs, digest):
        assert operator.send("GET", f"/v2/{repository}/blobs/{blob}").status in (403, 404)


def test_t37_a_tag_that_moves_is_served_as_one_of_the_two_images(wire: Wire, operator: Wire, repository: str) -> None:
    both = [clean(f"{repository}-{number}") for number in range(2)]
    for each in both:
        assert wire.push(repository, "1", each).status == 201
        said = operator.send("GET", f"/v2/{repository}/manifests/1")
        assert said.body == each.manifest
        assert said.headers["docker-content-digest"] == str(Digest.of(said.body))


def test_t38_no_accept_header_gives_the_manifest_that_was_pushed(wire: Wire, operator: Wire, repository: str) -> None:
    docker = image(debian(), {"srv/name": repository.encode()}, docker=True)
    assert wire.push(repository, "1", docker).status == 201
    said = operator.send("GET", f"/v2/{repository}/manifests/1")
    assert (said.body, said.headers["content-type"]) == (docker.manifest, media_types.DOCKER_MANIFEST)
    schema1 = json.dumps({"schemaVersion": 1, "name": repository, "tag": "1", "fsLayers": [], "history": []}).encode()
    refused = wire.push_manifest(repository, "old", schema1, media_types.DOCKER_SCHEMA1)
    assert (refused.status, refused.code) == (400, "MANIFEST_INVALID")


@pytest.mark.parametrize("key", ["Layers", "layer\u017f", "LAYERS"])
def test_t39_keys_that_go_would_read_as_layers_are_refused(wire: Wire, repository: str, key: str) -> None:
    wire.push_blobs(repository, clean(repository))
    body = edited(clean(repository), **{key: []})
    said = wire.push_manifest(repository, "1", body, media_types.OCI_MANIFEST)
    assert (said.status, said.code) == (400, "MANIFEST_INVALID")


@pytest.mark.parametrize(
    "annotations",
    [b'{"a": ' + b"[" * 1200 + b"]" * 1200 + b"}", b'{"a": ' + b"9" * 5000 + b"}", b'{"a": "\xff\xfe"}'],
    ids=["depth", "integer", "utf-8"],
)
def test_t40_what_one_parser_cannot_read_never_passes(wire: Wire, repository: str, annotations: bytes) -> None:
    small = clean(repository)
    wire.push_blobs(repository, small)
    body = small.manifest[:-1] + b', "annotations": ' + annotations + b"}"
    said = wire.push_manifest(repository, "1", body, small.media_type)
    assert (said.status, said.code) == (400, "MANIFEST_INVALID")


def test_t41_a_duplicate_key_is_refused(wire: Wire, repository: str) -> None:
    small = clean(repository)
    wire.push_blobs(repository, small)
    said = wire.push_manifest(repository, "1", small.manifest[:-1] + b', "layers": []}', small.media_type)
    assert (said.status, said.code) == (400, "MANIFEST_INVALID")


def test_t42_a_manifest_is_of_one_kind_only(wire: Wire, repository: str) -> None:
    small = clean(repository)
    wire.push_blobs(repository, small)
    for body, media_type in (
        (small.manifest, media_types.DOCKER_MANIFEST),
        (edited(small, manifests=[]), media_types.OCI_MANIFEST),
        (edited(small, mediaType=media_types.OCI_INDEX), media_types.OCI_INDEX),
        (edited(small, mediaType=media_types.OCI_INDEX, manifests=[]), media_types.OCI_INDEX),
    ):
        said = wire.push_manifest(repository, "1", body, media_type)
        assert (said.status, said.code) == (400, "MANIFEST_INVALID")


def test_t43_an_index_with_one_bad_image_is_refused(wire: Wire, operator: Wire, repository: str) -> None:
    listed = index(clean(repository), with_ssh(repository))
    said = wire.push(repository, "1", listed)
    assert said.status in (403, 404), said
    assert operator.send("GET", f"/v2/{repository}/manifests/1").status == 404


def test_t44_a_layer_with_urls_is_refused_and_never_fetched(wire: Wire, repository: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as elsewhere:
        elsewhere.settimeout(0)
        port = elsewhere.getsockname()[1]
        small = clean(repository)
        wire.push_blobs(repository, small)
        layers = json.loads(small.manifest)["layers"]
        layers[0]["urls"] = [f"http://127.0.0.1:{port}/layer"]
        said = wire.push_manifest(repository, "1", edited(small, layers=layers), small.media_type)
        assert (said.status, said.code) == (403, "DENIED")
        assert "foreign_layers" in said.error["message"]
        with pytest.raises(BlockingIOError):
            elsewhere.accept()


@pytest.mark.parametrize("off_by", [-1, 1])
def test_t45_a_descriptor_with_the_wrong_size_is_refused(wire: Wire, repository: str, off_by: int) -> None:
    small = clean(repository)
    wire.push_blobs(repository, small)
    layers = json.loads(small.manifest)["layers"]
    layers[0]["size"] += off_by
    said = wire.push_manifest(repository, "1", edited(small, layers=layers), small.media_type)
    assert (said.status, said.code) == (400, "MANIFEST_INVALID")


def test_t46_an_image_dressed_as_an_artifact_is_still_an_image(wire: Wire, operator: Wire, repository: str) -> None:
    bad = with_ssh(repository)
    wire.push_blobs(repository, bad)
    empty = wire.push_blob(repository, b"{}")
    disguised = edited(
        bad,
        artifactType="application/vnd.dev.sigstore.bundle.v0.3+json",
        config={"mediaType": media_types.OCI_EMPTY, "digest": str(empty), "size": 2},
    )
    assert wire.push_manifest(repository, "1", disguised, bad.media_type).status == 403
    said = operator.send("GET", f"/v2/{repository}/manifests/1", {"User-Agent": "cosign/v3"})
    assert said.status == 404


def test_t48_a_leading_nul_in_a_size_field_hides_nothing(wire: Wire, repository: str) -> None:
    plain = bytearray(tar({"etc/motd": b"hello", "usr/bin/ssh": b"\x7fELF usage: ssh ["}))
    plain[124] = 0
    plain[148:156] = b" " * 8
    plain[148:156] = b"%06o\0 " % sum(plain[:512])
    said = push_layer(wire, repository, gzip.compress(bytes(plain)), bytes(plain))
    assert (said.status, said.code) == (403, "DENIED")
    assert "cannot be inspected" in said.error["message"]


def test_t49_what_lies_in_a_second_gzip_member_is_found(wire: Wire, repository: str) -> None:
    plain = tar(debian() | {"usr/bin/ssh": b"\x7fELF usage: ssh [-46] /etc/ssh/ssh_config OpenSSH_9.2"})
    middle = len(plain) // 1024 * 512
    packed = gzip.compress(plain[:middle]) + gzip.compress(plain[middle:])
    said = push_layer(wire, repository, packed, plain)
    assert (said.status, said.code) == (403, "DENIED")
    assert "usr/bin/ssh" in said.error["message"]


def test_t50_a_corrupt_header_in_mid_archive_is_refused(wire: Wire, repository: str) -> None:
    plain = bytearray(tar({"etc/motd": b"hello", "usr/bin/ssh": b"\x7fELF usage: ssh ["}))
    plain[1024 + 148] ^= 1
    said = push_layer(wire, repository, gzip.compress(bytes(plain)), bytes(plain))
    assert (said.status, said.code) == (403, "DENIED")
    assert "cannot be inspected" in said.error["message"]


@pytest.mark.parametrize("gate", ["embedded"], indirect=True)
def test_t66_a_blob_that_is_cut_short_behind_the_gate_does_not_end_cleanly(
    gate: Gate, wire: Wire, repository: str
) -> None:
    """For a remote one see tests/proxy/upstream/test_remote_hostile.py: there the registry can be made to do it."""
    content = secrets.token_bytes(1 << 20)
    digest = wire.push_blob(repository, content)
    (blob,) = (path for path in gate.running.state.rglob(f"*{digest.hex}*") if path.is_file())
    os.truncate(blob, len(content) // 2)
    try:
        said = wire.send("GET", f"/v2/{repository}/blobs/{digest}")
    except (http.client.IncompleteRead, ConnectionError, http.client.RemoteDisconnected):
        return
    assert said.status >= 500


def test_t69_a_pull_that_takes_longer_than_any_read_timeout_is_not_cut(
    wire: Wire, hasty_gate: Gate, repository: str
) -> None:
    content = secrets.token_bytes(64 << 20)
    digest = wire.push_blob(repository, content)
    head = "".join(f"{name}: {value}\r\n" for name, value in wire.authorization.items())
    request = f"GET /v2/{repository}/blobs/{digest} HTTP/1.1\r\nHost: x\r\n{head}Connection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", hasty_gate.running.port)) as connection:
        connection.sendall(request.encode())
        received = connection.recv(65536)
        # Nothing is read until the gate has long filled the socket's buffers, and its own read timeout is over.
        while select.select([], [], [], READ_TIMEOUT_SECONDS + 1) != ([], [], []):
            pass
        parts = [received]
        while part := connection.recv(1 << 20):
            parts.append(part)
    assert b"".join(parts).partition(b"\r\n\r\n")[2] == content


@pytest.mark.parametrize("half", [b"GET /v2/ HTTP/1.1\r\nHost: x\r\nX-Slow: ", b"GET /v2/ HT"])
def test_t72_half_a_head_is_answered_and_closed(hasty_gate: Gate, half: bytes) -> None:
    assert Wire(hasty_gate.running.port).raw(half).startswith(b"HTTP/1.1 408 ")


def test_t84_a_blob_is_never_answered_with_a_redirect(wire: Wire, operator: Wire, repository: str) -> None:
    pushed = clean(repository)
    assert wire.push(repository, "1", pushed).status == 201
    for digest, content in pushed.blobs.items():
        said = operator.send("GET", f"/v2/{repository}/blobs/{digest}")
        assert (said.status, said.headers.get("location"), said.body) == (200, None, content)


def test_nothing_of_an_image_in_quarantine_reaches_a_token_that_may_only_pull(
    wire: Wire, operator: Wire, repository: str
) -> None:
    """Step 6: by digest, by tag, as an index, blob by blob."""
    held = index(clean(f"{repository}-a"), clean(f"{repository}-b"))
    name = f"signed/{repository}"
    pushed = wire.push(name, "1", held)
    assert pushed.status == 201
    assert "require.signatures" in pushed.headers["warning"]
    parts = [f"manifests/{reference}" for reference in ("1", held.digest, *(child.digest for child in held.children))]
    for method in ("GET", "HEAD"):
        for part in parts:
            assert wire.send(method, f"/v2/{name}/{part}").status == 200
            assert operator.send(method, f"/v2/{name}/{part}").status == 403
    for child in held.children:
        for digest in child.blobs:
            assert operator.send("GET", f"/v2/{name}/blobs/{digest}").status in (403, 404)
            assert operator.send("HEAD", f"/v2/{name}/blobs/{digest}").status in (403, 404)
    assert operator.send("GET", f"/v2/{name}/tags/list").status == 404
    assert json.loads(wire.send("GET", f"/v2/{name}/tags/list").body)["tags"] == ["1"]


def test_a_buildkit_index_with_an_attestation_child_is_admitted(wire: Wire, operator: Wire, repository: str) -> None:
    real = clean(repository)
    statement = b'{"_type": "https://in-toto.io/Statement/v0.1", "predicateType": "x", "subject": []}'
    config = json.dumps(
        {"architecture": "unknown", "os": "unknown", "config": {}, "rootfs": {"type": "layers", "diff_ids": []}}
    ).encode()
    attestation = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": media_types.OCI_MANIFEST,
            "config": descriptor(config, media_types.OCI_CONFIG),
            "layers": [descriptor(statement, media_types.IN_TOTO)],
        }
    ).encode()
    child = TestImage(attestation, media_types.OCI_MANIFEST, {Digest.of(blob): blob for blob in (config, statement)})
    listed = index(real, child)
    document = json.loads(listed.manifest)
    document["manifests"][1] |= {
        "platform": {"os": "unknown", "architecture": "unknown"},
        "annotations": {
            "vnd.docker.reference.type": "attestation-manifest",
            "vnd.docker.reference.digest": str(real.digest),
        },
    }
    body = json.dumps(document).encode()
    said = wire.push(repository, "1", TestImage(body, listed.media_type, {}, listed.children))
    assert said.status == 201, said
    for reference in ("1", real.digest, child.digest):
        assert operator.send("GET", f"/v2/{repository}/manifests/{reference}").status == 200
    assert operator.send("GET", f"/v2/{repository}/blobs/{Digest.of(statement)}").body == statement


@pytest.mark.parametrize("form", SbomFormat)
def test_a_bill_of_materials_is_had_by_whoever_may_pull_the_image(
    wire: Wire, operator: Wire, repository: str, form: SbomFormat
) -> None:
    admitted, held = f"{repository}/{form}", f"signed/{repository}/{form}"
    for name in (admitted, held):
        assert wire.push(name, "1", clean(name)).status == 201
    for who, name in ((wire, admitted), (operator, admitted), (wire, held)):
        said = who.send("GET", f"/api/v1/images/{name}/1/sbom?format={form}")
        assert (said.status, said.headers["content-type"]) == (200, sbom.media_type(form))
        assert "base-files" in said.body.decode()
    assert operator.send("GET", f"/api/v1/images/{held}/1/sbom?format={form}").status == 403
    assert wire.send("GET", f"/api/v1/images/{admitted}/1/sbom?format=csv").status == 400
    assert Wire(wire.port).send("GET", f"/api/v1/images/{admitted}/1/sbom").status == 401
