"""Requests that two readers could understand differently, sent as they are and refused before anything else."""

import asyncio
from contextlib import suppress

import pytest

from proxy.identity.principal import Role
from scanning.oci.digest import Digest
from tests.proxy.conftest import StartFace
from tests.proxy.face import Face, basic

APP = "/v2/team/app"
UPLOADS = f"{APP}/blobs/uploads/"
OCTETS = {"Content-Type": "application/octet-stream"}


def request(face: Face, line: str, *headers: str, body: bytes = b"", host: str = "Host: gate") -> bytes:
    """A request of raw lines, authorised, on a connection of its own."""
    lines = [line, host, f"Authorization: {basic(face.token)}", "Connection: close", *headers]
    return "\r\n".join([*filter(None, lines), "", ""]).encode() + body


def status(said: bytes) -> int:
    """The status of a raw answer."""
    return int(said.split(b" ", 2)[1])


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain"])
async def test_t14_a_mount_in_a_form_body_is_refused(face: Face, kind: str) -> None:
    digest = face.blob(b"private", "team/private")
    body = f"mount={digest}&from=team/private".encode()
    answer = await face.call("POST", UPLOADS, headers={"Content-Type": kind}, body=body)
    assert (answer.status, face.upstream.uploads) == (415, {})


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "multipart/mixed"])
async def test_t14_a_form_is_refused_even_when_it_is_empty(face: Face, kind: str) -> None:
    assert (await face.call("POST", UPLOADS, headers={"Content-Type": kind}, body=b"")).status == 415


async def test_an_upload_opened_without_a_body_may_have_any_other_type(face: Face) -> None:
    answer = await face.call("POST", UPLOADS, headers={"Content-Type": "application/json"}, body=b"")
    assert answer.status == 202


async def test_t15_a_digest_in_a_form_body_is_refused(face: Face) -> None:
    begun = await face.call("POST", UPLOADS)
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = await face.call(
        "PUT",
        f"{begun.headers['Location']}?digest={Digest.of(b'good')}",
        headers=headers,
        body=f"digest={Digest.of(b'evil')}",
    )
    assert (answer.status, face.upstream.blobs) == (415, {})


@pytest.mark.parametrize("parameter", ["digest", "from", "mount", "n"])
async def test_t16_repeated_parameters_are_refused(face: Face, parameter: str) -> None:
    answer = await face.call("POST", f"{UPLOADS}?{parameter}=a&{parameter}=b")
    assert (answer.status, face.upstream.uploads) == (400, {})


@pytest.mark.parametrize(
    "path",
    ["/v2/team%2Fapp/tags/list", "/v2/team%252Fapp/tags/list", "/v2/%74eam/app/tags/list", "/v2/team/app/tags/list%00"],
)
async def test_t23_escapes_in_the_path_are_refused(face: Face, path: str) -> None:
    assert (await face.call("GET", path)).status == 400


@pytest.mark.parametrize(
    "path",
    [
        "/v2/team/app/manifests/x/../../../../secret/manifests/t",
        "/v2/team/../secret/manifests/t",
        "/v2/team/app/manifests/..",
        "/v2/../v2/secret/tags/list",
    ],
)
async def test_t24_dots_in_the_path_lead_nowhere(face: Face, path: str) -> None:
    assert status(await face.raw(request(face, f"GET {path} HTTP/1.1"))) == 404


async def test_t24_a_name_that_is_no_name_is_refused(face: Face) -> None:
    for name in ("Team/app", "team/-app", "team\\app", "team/app;x"):
        answer = await face.call("GET", f"/v2/{name}/manifests/1")
        assert (answer.status, answer.code) == (400, "NAME_INVALID")


@pytest.mark.parametrize(
    "path",
    [
        "/v2//team/app/tags/list",
        "/v2/./team/app/tags/list",
        "/v2/team/app/tags/list/",
        "//v2/",
        "/v2",
        "/v2/team/app/",
        "/.",
    ],
)
async def test_t25_odd_slashes_are_not_found_and_not_redirected(face: Face, path: str) -> None:
    said = await face.raw(request(face, f"GET {path} HTTP/1.1"))
    assert status(said) == 404
    assert b"\r\nlocation:" not in said.lower()


async def test_t26_forwarded_hosts_reach_no_location_and_no_challenge(face: Face) -> None:
    forged = {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https", "Forwarded": "host=evil.example"}
    begun = await face.call("POST", UPLOADS, headers={**forged, "Host": "evil.example"})
    assert begun.headers["Location"].startswith(f"{UPLOADS}")
    challenge = (await face.call("GET", "/v2/", token="", headers=forged)).headers["WWW-Authenticate"]
    assert "evil.example" not in challenge


@pytest.mark.parametrize(
    ("trusted", "forwarded", "expected"),
    [
        ((), "192.0.2.7", "127.0.0.1"),
        (("127.0.0.0/8",), "192.0.2.7", "192.0.2.7"),
        (("127.0.0.0/8",), "10.9.9.9, 192.0.2.7", "192.0.2.7"),
        (("127.0.0.0/8", "192.0.2.0/24"), "10.9.9.9, 192.0.2.7", "10.9.9.9"),
        (("127.0.0.0/8",), "not-an-address", "127.0.0.1"),
        (("127.0.0.0/8",), "", "127.0.0.1"),
    ],
)
async def test_t26_the_client_is_who_a_trusted_proxy_says_it_is(
    start_face: StartFace, trusted: tuple[str, ...], forwarded: str, expected: str
) -> None:
    async with start_face(network={"trusted_proxies": trusted}) as face:
        await face.call("GET", "/v2/", token="wrong", headers={"X-Forwarded-For": forwarded})
        assert (await face.audited())[-1].address == expected


@pytest.mark.parametrize(
    "headers",
    [
        ("Content-Length: 1", "Transfer-Encoding: chunked"),
        ("Content-Length: 1", "Content-Length: 2"),
        ("Content-Length: 1", "Content-Length: 1"),
        ("Content-Length: +1",),
        ("Content-Length: 1, 1",),
        ("Transfer-Encoding: chunked, identity",),
        ("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
        ("Host: other",),
        ("Content-Type: application/octet-stream", "Content-Type: text/plain"),
    ],
)
async def test_t27_ambiguous_framing_and_doubled_headers_are_refused(face: Face, headers: tuple[str, ...]) -> None:
    said = await face.raw(request(face, f"POST {UPLOADS} HTTP/1.1", *headers, body=b"0\r\n\r\n"))
    assert status(said) == 400
    assert b'"errors"' in said


async def test_t27_a_request_without_a_host_is_refused(face: Face) -> None:
    assert status(await face.raw(request(face, "GET /v2/ HTTP/1.1", host=""))) == 400


@pytest.mark.parametrize("target", ["http://evil.example/v2/", "*", "/v2/#x"])
async def test_a_target_that_is_no_path_is_refused(face: Face, target: str) -> None:
    assert status(await face.raw(request(face, f"GET {target} HTTP/1.1"))) in (400, 404)


async def test_an_expectation_that_nobody_meets_is_refused_like_any_mistake(
    face: Face, caplog: pytest.LogCaptureFixture
) -> None:
    said = await face.raw(b"GET /v2/ HTTP/1.1\r\nHost: gate\r\nExpect: 200-ok\r\nConnection: close\r\n\r\n")

    assert said.startswith(b"HTTP/1.1 400 ")
    assert b"only 100-continue is" in said
    assert "Unhandled" not in caplog.text


async def test_who_waits_with_a_body_is_told_to_send_it(face: Face) -> None:
    head = (
        f"POST /v2/team/app/blobs/uploads/?digest={Digest.of(b'body')} HTTP/1.1\r\nHost: gate\r\nContent-Length: 4\r\n"
    )
    head += f"Authorization: {basic(face.token)}\r\nExpect: 100-Continue\r\nConnection: close\r\n\r\n"
    reader, writer = await asyncio.open_connection(face.host, face.port)
    writer.write(head.encode())
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(b"body")
    said = await reader.read()
    writer.close()
    await writer.wait_closed()
    assert said.startswith(b"HTTP/1.1 201 ")


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "gzip, identity"])
async def test_t28_encoded_bodies_are_refused(face: Face, encoding: str) -> None:
    headers = {"Content-Type": "application/vnd.oci.image.manifest.v1+json", "Content-Encoding": encoding}
    answer = await face.call("PUT", f"{APP}/manifests/1", headers=headers, body=b"\x1f\x8b\x08")
    assert (answer.status, face.upstream.manifests) == (415, {})


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/v2/team/app/unknown/1", 404),
        ("GET", "/v1/search", 404),
        ("GET", "/", 404),
        ("POST", "/v2/", 405),
        ("POST", "/v2/team/app/manifests/1", 405),
        ("PUT", "/v2/team/app/tags/list", 405),
        ("OPTIONS", "/v2/team/app/manifests/1", 405),
        ("TRACE", "/v2/", 405),
        ("PROPFIND", "/v2/", 405),
    ],
)
async def test_t31_unknown_routes_and_methods_fall_nowhere(face: Face, method: str, path: str, expected: int) -> None:
    answer = await face.call(method, path)
    assert (answer.status, answer.code) == (expected, "UNSUPPORTED")
    assert ("Allow" in answer.headers) == (expected == 405)


@pytest.mark.parametrize(
    "digest", ["sha256:zz", "sha256:" + "A" * 64, "md5:" + "a" * 32, "sha256:" + "a" * 63, "sha256"]
)
async def test_t32_malformed_digests_are_named_as_such(face: Face, digest: str) -> None:
    targets = [f"{APP}/blobs/{digest}", f"{APP}/referrers/{digest}"]
    if ":" in digest:
        targets.append(f"{APP}/manifests/{digest}")
    for target in targets:
        answer = await face.call("GET", target)
        assert (answer.status, answer.code) == (400, "DIGEST_INVALID")


async def test_every_answer_carries_its_id_and_the_standing_headers(face: Face) -> None:
    for target in ("/v2/", "/nowhere", f"{APP}/blobs/x", "/healthz"):
        answer = await face.call("GET", target, headers={"X-Request-ID": "build-7.step_2"})
        assert answer.headers["X-Request-ID"] == "build-7.step_2"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Server"] == "imagegate"


@pytest.mark.parametrize("given", ["", "a b", "x" * 65, "<script>"])
async def test_a_request_id_that_is_not_plain_is_replaced(face: Face, given: str) -> None:
    answer = await face.call("GET", "/v2/", headers={"X-Request-ID": given})
    assert answer.headers["X-Request-ID"] not in ("", given)


async def test_head_is_answered_wherever_get_is(face: Face) -> None:
    _, admin = await face.new_token(Role.ADMIN, "**")
    for target in ("/v2/", "/v2/_catalog", "/healthz"):
        answer = await face.call("HEAD", target, token=admin)
        assert (answer.status, answer.body) == (200, b"")


def chunked_manifest(face: Face) -> bytes:
    """The head of a push whose body comes in chunks."""
    kind = "Content-Type: application/vnd.oci.image.manifest.v1+json"
    return request(face, f"PUT {APP}/manifests/1 HTTP/1.1", kind, "Transfer-Encoding: chunked")


@pytest.mark.parametrize(
    "flood",
    [b"0\r\n" + b"X-Trailer: x\r\n" * 200_000 + b"\r\n", b"0\r\nX-Trailer: " + b"x" * 2_000_000 + b"\r\n\r\n"],
    ids=["many", "a long one"],
)
async def test_t73_a_flood_of_trailers_ends_the_request(face: Face, flood: bytes) -> None:
    said = await face.raw(chunked_manifest(face) + flood)

    assert said == b"" or status(said) == 400
    assert face.upstream.manifests == {}
    assert (await face.call("GET", "/v2/")).status == 200


@pytest.mark.parametrize(("start", "more"), [(b"1;", b"x"), (b"0", b"0")], ids=["extension", "size"])
async def test_t73_a_chunk_head_without_end_is_silence(start_face: StartFace, start: bytes, more: bytes) -> None:
    """The parser keeps nothing of it, so it would go on as long as the client likes."""
    async with start_face(network={"read_timeout_seconds": 0.2}) as face:
        face.grant, face.token = await face.new_token(Role.ADMIN, "**")
        reader, writer = await asyncio.open_connection(face.host, face.port)

        async def flood() -> None:
            writer.write(chunked_manifest(face) + start)
            with suppress(ConnectionError):
                while True:
                    writer.write(more * 10_000)
                    await writer.drain()
                    await asyncio.sleep(0.01)

        flooding = asyncio.create_task(flood())
        said = await reader.readline()
        flooding.cancel()
        writer.close()
        assert status(said) == 408
        assert face.upstream.manifests == {}


async def test_t73_a_flood_of_tiny_chunks_holds_nobody_up(face: Face) -> None:
    digest = Digest.of(b"x" * 200_000)
    head = request(
        face, f"POST {UPLOADS}?digest={digest} HTTP/1.1", "Transfer-Encoding: chunked", *map(": ".join, OCTETS.items())
    )
    reader, writer = await asyncio.open_connection(face.host, face.port)
    writer.write(head + b"1\r\nx\r\n" * 100_000)
    await writer.drain()

    assert (await face.call("GET", "/v2/")).status == 200

    writer.write(b"1\r\nx\r\n" * 100_000 + b"0\r\n\r\n")
    said = await reader.read()
    writer.close()
    await writer.wait_closed()
    assert status(said) == 201
    assert [len(content) for content in face.upstream.blobs.values()] == [200_000]
