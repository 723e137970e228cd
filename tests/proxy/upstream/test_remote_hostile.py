"""What the remote adapter makes of an upstream that is broken, misconfigured or hostile."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from proxy.upstream.port import (
    BrokenContentError,
    DigestMismatchError,
    Upload,
    UploadUnknownError,
    UpstreamRefusedError,
    UpstreamTimeoutError,
    UpstreamUnavailableError,
)
from scanning.oci.digest import Digest
from scanning.oci.media_types import ACCEPT_MANIFESTS, DOCKER_SCHEMA1_SIGNED, OCI_INDEX, OCI_MANIFEST
from scanning.oci.names import Repository, Tag
from scanning.oci.read import MAX_MANIFEST_BYTES
from tests.proxy.upstream.oci_content import chunks, image_manifest, index_of
from tests.proxy.upstream.simulator import Simulator, cut_short, gate_before, simulated

REPOSITORY = Repository("team/app")
TAG = Tag("v1")
BLOB = b"0123456789"
DIGEST = Digest.of(BLOB)
MANIFEST_PATH = "/v2/team/app/manifests/v1"
BLOB_PATH = f"/v2/team/app/blobs/{DIGEST}"
UPLOADS_PATH = "/v2/team/app/blobs/uploads/"
UPLOAD_PATH = "/v2/team/app/blobs/uploads/17"


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with simulated() as running:
        yield running


async def read_blob(url: str, *bounds: int, redirect_hosts: tuple[str, ...] = ()) -> bytes:
    async with (
        gate_before(url, redirect_hosts=redirect_hosts) as upstream,
        upstream.open_blob(REPOSITORY, DIGEST, *bounds) as stream,
    ):
        assert stream is not None
        return b"".join([chunk async for chunk in stream.chunks])


# --- requests are made here


async def test_t24_addresses_are_built_from_parsed_names_only(simulator: Simulator) -> None:
    async with gate_before(simulator.url) as upstream:
        await upstream.get_manifest(REPOSITORY, TAG)
        await upstream.get_manifest(REPOSITORY, DIGEST)
        await upstream.blob_size(REPOSITORY, DIGEST)
    assert [request.target for request in simulator.seen] == [
        MANIFEST_PATH,
        f"/v2/team/app/manifests/{DIGEST}",
        BLOB_PATH,
    ]


@pytest.mark.parametrize(
    "state",
    [
        "/v2/team/app/blobs/uploads/../../../secret/blobs/uploads/17",
        "/v2/team/app/blobs/uploads/%2e%2e/17",
        "/v2/team/app/blobs/uploads/a%2Fb",
        "/v2/team/app/blobs/uploads/a%252Fb",
        "/v2/team/app//blobs/uploads/17",
        "/v2/secret/blobs/uploads/17",
        "/v2/team/app/blobs/uploads/17?digest=sha256:0",
        "/v2/team/app/blobs/uploads/17?mount=x&from=y",
        "//evil.example/v2/team/app/blobs/uploads/17",
        "http://evil.example/17",
        "/v2/team/app/blobs/uploads/17\r\nX-Evil: 1",
        "@evil.example/17",
    ],
)
async def test_t24_a_state_that_leads_elsewhere_is_not_followed(simulator: Simulator, state: str) -> None:
    async with gate_before(simulator.url) as upstream:
        with pytest.raises(UploadUnknownError):
            await upstream.finish_upload(REPOSITORY, Upload(state, 0), DIGEST)
    assert simulator.seen == []


async def test_t14_a_mount_is_asked_for_in_a_query_of_ours_with_an_empty_body(simulator: Simulator) -> None:
    simulator.on("POST", UPLOADS_PATH, 201)
    async with gate_before(simulator.url) as upstream:
        assert await upstream.mount_blob(REPOSITORY, DIGEST, Repository("base/os")) is True
    [request] = simulator.seen
    assert request.target == f"{UPLOADS_PATH}?mount=sha256%3A{DIGEST.hex}&from=base%2Fos"
    assert request.body == b""
    assert request.headers["content-type"] == "application/octet-stream"


async def test_t15_an_upload_is_finished_in_a_query_of_ours_with_an_empty_body(simulator: Simulator) -> None:
    simulator.on("PUT", UPLOAD_PATH, 201)
    async with gate_before(simulator.url) as upstream:
        await upstream.finish_upload(REPOSITORY, Upload(f"{UPLOAD_PATH}?_state=a%3Db%26c", 10), DIGEST)
    [request] = simulator.seen
    assert request.target == f"{UPLOAD_PATH}?_state=a%3Db%26c&digest=sha256%3A{DIGEST.hex}"
    assert request.body == b""
    assert request.headers["content-type"] == "application/octet-stream"


async def test_a_mount_that_becomes_an_upload_is_cancelled(simulator: Simulator) -> None:
    simulator.on("POST", UPLOADS_PATH, 202, headers={"Location": UPLOAD_PATH})
    simulator.on("DELETE", UPLOAD_PATH, 204)
    async with gate_before(simulator.url) as upstream:
        assert await upstream.mount_blob(REPOSITORY, DIGEST, Repository("base/os")) is False
    assert [request.method for request in simulator.seen] == ["POST", "DELETE"]


async def test_a_mount_of_another_blob_than_asked_for_is_refused(simulator: Simulator) -> None:
    other = str(Digest.of(b"other"))
    simulator.on("POST", UPLOADS_PATH, 201, headers={"Docker-Content-Digest": other})
    async with gate_before(simulator.url) as upstream:
        with pytest.raises(BrokenContentError):
            await upstream.mount_blob(REPOSITORY, DIGEST, Repository("base/os"))


# --- addresses the upstream gives


@pytest.mark.parametrize(
    "location",
    [
        "http://evil.example/v2/team/app/blobs/uploads/17",
        "//evil.example/v2/team/app/blobs/uploads/17",
        "http://127.0.0.1:1/v2/team/app/blobs/uploads/17",
        "https://127.0.0.1/v2/team/app/blobs/uploads/17",
        "file:///etc/passwd",
        "/v2/../secret",
        "/v2/x?digest=sha256:0",
        "/v2/x?%64igest=sha256:0",
        "",
    ],
)
async def test_t26_an_upload_is_not_followed_to_another_origin(simulator: Simulator, location: str) -> None:
    simulator.on("POST", UPLOADS_PATH, 202, headers={"Location": location})
    async with gate_before(simulator.url) as upstream:
        with pytest.raises(UpstreamRefusedError):
            await upstream.begin_upload(REPOSITORY)


@pytest.mark.parametrize("form", ["{url}/v2/team/app/blobs/uploads/17?s=1", "17?s=1", UPLOAD_PATH + "?s=1"])
async def test_an_upload_is_followed_on_the_same_origin(simulator: Simulator, form: str) -> None:
    simulator.on("POST", UPLOADS_PATH, 202, headers={"Location": form.format(url=simulator.url)})
    async with gate_before(simulator.url) as upstream:
        upload = await upstream.begin_upload(REPOSITORY)
    assert upload == Upload(f"{UPLOAD_PATH}?s=1", 0)


async def test_t84_a_blob_is_fetched_from_a_configured_host_without_our_credentials(simulator: Simulator) -> None:
    async with simulated() as storage:
        storage.on("GET", "/bucket/blob", body=BLOB)
        simulator.on("GET", BLOB_PATH, 307, headers={"Location": f"{storage.url}/bucket/blob?signature=a%2Fb"})
        assert await read_blob(simulator.url) == BLOB
        assert await read_blob(simulator.url, 2, 5) == b"234"
        assert storage.seen[0].target == "/bucket/blob?signature=a%2Fb"
        assert all("authorization" not in request.headers for request in storage.seen)


async def test_t84_a_redirect_on_the_same_origin_is_followed(simulator: Simulator) -> None:
    simulator.on("GET", BLOB_PATH, 302, headers={"Location": "/data/blob"})
    simulator.on("GET", "/data/blob", body=BLOB)
    assert await read_blob(simulator.url) == BLOB


@pytest.mark.parametrize(
    "location",
    [
        "http://169.254.169.254/latest/meta-data",
        "http://10.0.0.1/blob",
        "http://[::1]/blob",
        "http://[::ffff:10.0.0.1]/blob",
        "http://[64:ff9b::a00:1]/blob",
        "http://[fe80::1]/blob",
        "http://0.0.0.0/blob",
        "http://224.0.0.1/blob",
        "http://2130706433/blob",
        "http://127.1/blob",
        "http://localhost:{port}/blob",
        "http://user:password@127.0.0.1:{port}/blob",
        "file:///etc/passwd",
        "gopher://127.0.0.1:{port}/",
        "",
    ],
)
async def test_t84_a_redirect_inside_is_not_followed(simulator: Simulator, location: str) -> None:
    simulator.on("GET", "/blob", body=BLOB)
    port = simulator.url.rpartition(":")[2]
    simulator.on("GET", BLOB_PATH, 307, headers={"Location": location.format(port=port)})
    with pytest.raises(UpstreamRefusedError):
        await read_blob(simulator.url)
    assert len(simulator.seen) == 1


async def test_t84_a_name_inside_is_followed_when_it_is_configured(simulator: Simulator) -> None:
    simulator.on("GET", "/blob", body=BLOB)
    port = simulator.url.rpartition(":")[2]
    simulator.on("GET", BLOB_PATH, 307, headers={"Location": f"http://localhost:{port}/blob"})
    assert await read_blob(simulator.url, redirect_hosts=(f"localhost:{port}",)) == BLOB


async def test_t84_redirects_in_a_circle_come_to_an_end(simulator: Simulator) -> None:
    simulator.on("GET", BLOB_PATH, 307, headers={"Location": BLOB_PATH})
    with pytest.raises(UpstreamRefusedError):
        await read_blob(simulator.url)
    assert len(simulator.seen) == 4


async def test_t84_nothing_but_blobs_is_redirected(simulator: Simulator) -> None:
    simulator.on("GET", MANIFEST_PATH, 307, headers={"Location": "/elsewhere"})
    simulator.on("GET", "/v2/", 301, headers={"Location": "/v3/"})
    async with gate_before(simulator.url) as upstream:
        with pytest.raises(UpstreamRefusedError):
            await upstream.get_manifest(REPOSITORY, TAG)
        with pytest.raises(UpstreamRefusedError, match="set its url"):
            await upstream.check()
    assert len(simulator.seen) == 2


# --- content


async def test_t29_an_encoded_answer_is_refused_though_none_was_asked_for(simulator: Simulator) -> None:
    for path in (MANIFEST_PATH, BLOB_PATH):
        simulator.on("GET", path, body=gzip.compress(BLOB), headers={"Content-Encoding": "gzip"})
    async with gate_before(simulator.url) as upstream:
        with pytest.raises(BrokenContentError, match="Content-Encoding"):
            await upstream.get_manifest(REPOSITORY, TAG)
    with pytest.raises(BrokenContentError, match="Content-Encoding"):
        await read_blob(simulator.url)
    assert {request.headers["accept-encoding"] for request in simulator.seen} == {"identity"}


async def test_t38_a_manifest_is_always_asked_for_with_every_type_we_read(simulator: Simulator) -> None:
    simulator.on("GET", MANIFEST_PATH, body=b"{}", headers={"Content-Type": OCI_MANIFEST})
    async with gate_before(simulator.url) as upstream:
        await upstream.get_manifest(REPOSITORY, TAG)
    assert simulator.seen[0].headers["accept"].split(", ") == list(ACCEPT_MANIFESTS)


async def test_t38_a_manifest_rewritten_to_schema_1_is_shown_as_what_it_is(simulator: Simulator) -> None:
    headers = {"Content-Type": DOCKER_SCHEMA1_SIGNED, "Docker-Content-Digest": str(DIGEST)}
    simulator.on("GET", MANIFEST_PATH, body=b'{"schemaVersion": 1}', headers=headers)
    async with gate_before(simulator.url) as upstream:
        found = await upstream.get_manifest(REPOSITORY, TAG)
    assert found is not None
    assert found.media_type == DOCKER_SCHEMA1_SIGNED
    assert found.digest == Digest.of(b'{"schemaVersion": 1}')


@pytest.mark.parametrize("announced", [11, 1_000_000])
async def test_t66_a_blob_cut_short_is_broken(simulator: Simulator, announced: int) -> None:
    simulator.answers["GET", BLOB_PATH] = cut_short(announced, BLOB)
    with pytest.raises(BrokenContentError):
        await read_blob(simulator.url)


async def test_t66_a_manifest_cut_short_is_broken(simulator: Simulator) -> None:
    simulator.answers["GET", MANIFEST_PATH] = cut_short(100, b"{}")
    async with gate_before(simulator.url) as upstream:
        with pytest.raises(BrokenContentError):
            await upstream.get_manifest(REPOSITORY, TAG)


@pytest.mark.parametrize("content_range", ["", "bytes 0-2/10", "bytes 2-9/10", "bytes 2-4/*", "nonsense"])
async def test_another_part_than_asked_for_is_broken(simulator: Simulator, content_range: str) -> None:
    simulator.on("GET", BLOB_PATH, 206, b"234", {"Content-Range": content_range})
    with pytest.raises(BrokenContentError):
        await read_blob(simulator.url, 2, 5)


async def test_an_upstream_without_ranges_gives_the_part_all_the_same(simulator: Simulator) -> None:
    simulator.on("GET", BLOB_PATH, body=BLOB)
    assert await read_blob(simulator.url, 2, 5) == b"234"


async def test_a_blob_without_a_length_has_the_one_that_head_says(simulator: Simulator) -> None:
    async def unmeasured(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        await response.write(BLOB)
        return response

    simulator.answers["GET", BLOB_PATH] = unmeasured
    simulator.on("HEAD", BLOB_PATH, body=BLOB)
    assert await read_blob(simulator.url) == BLOB


async def test_a_manifest_of_another_digest_is_broken(simulator: Simulator) -> None:
    simulator.on("GET", f"/v2/team/app/manifests/{DIGEST}", body=b"{}", headers={"Content-Type": OCI_MANIFEST})
    async with gate_before(simulator.url) as upstream:
        with pytest.raises(BrokenContentError, match=str(DIGEST)):
            await upstream.get_manifest(REPOSITORY, DIGEST)


async def test_a_tag_whose_named_digest_is_not_that_of_the_bytes_is_broken(simulator: Simulator) -> None:
    headers = {"Content-Type": OCI_MANIFEST, "Docker-Content-Digest": str(DIGEST)}
    simulator.on("GET", MANIFEST_PATH, body=b"{}", headers=headers)
    async with gate_before(simulator.url) as upstream:
        with pytest.raises(BrokenContentError):
            await upstream.get_manifest(REPOSITORY, TAG)


async def test_t33_a_manifest_over_the_limit_is_broken(simulator: Simulator) -> None:
    simulator.on("GET", MANIFEST_PATH, body=bytes(MAX_MANIFEST_BYTES + 1), headers={"Content-Type": OCI_MANIFEST})
    async with gate_before(simulator.url) as upstream:
        with pytest.raises(BrokenContentError, match=str(MAX_MANIFEST_BYTES)):
            await upstream.get_manifest(REPOSITORY, TAG)


async def test_a_manifest_stored_as_other_bytes_is_broken(simulator: Simulator) -> None:
    simulator.on("PUT", MANIFEST_PATH, 201, headers={"Docker-Content-Digest": str(DIGEST)})
    async with gate_before(simulator.url) as upstream:
        with pytest.raises(BrokenContentError):
            await upstream.put_manifest(REPOSITORY, TAG, OCI_MANIFEST, b"{}")


# --- failures


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429])
async def test_an_upstream_that_cannot_is_unavailable(simulator: Simulator, status: int) -> None:
    simulator.on("GET", MANIFEST_PATH, status, b"<html>sorry</html>")
    async with gate_before(simulator.url) as upstream:
        with pytest.raises(UpstreamUnavailableError, match=str(status)):
            await upstream.get_manifest(REPOSITORY, TAG)


async def test_a_refusal_says_what_the_upstream_said_in_printable_words(simulator: Simulator) -> None:
    error = {"errors": [{"code": "DENIED", "message": "quota\x1b[31m\r\nexceeded", "detail": None}]}
    simulator.on("PUT", MANIFEST_PATH, 403, json.dumps(error).encode())
    async with gate_before(simulator.url) as upstream:
        with pytest.raises(UpstreamRefusedError, match=r"quota .31m  exceeded") as refusal:
            await upstream.put_manifest(REPOSITORY, TAG, OCI_MANIFEST, b"{}")
    assert (refusal.value.code, refusal.value.status) == ("DENIED", 403)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'{"errors": 1}',
        b'{"errors": [1]}',
        b'{"errors": [{"code": 1}]}',
        b"[" * 60_000,
        bytes(100_000),
    ],
)
async def test_a_refusal_that_cannot_be_read_is_a_refusal(simulator: Simulator, body: bytes) -> None:
    simulator.on("GET", MANIFEST_PATH, 400, body)
    async with gate_before(simulator.url) as upstream:
        with pytest.raises(UpstreamRefusedError, match="400") as refusal:
            await upstream.get_manifest(REPOSITORY, TAG)
    assert refusal.value.code == ""


async def test_an_upstream_that_is_not_there_is_unavailable() -> None:
    async with simulated() as simulator:
        pass
    async with gate_before(simulator.url) as upstream:
        with pytest.raises(UpstreamUnavailableError, match="its url is right"):
            await upstream.check()


async def test_an_upstream_that_keeps_silent_times_out(simulator: Simulator) -> None:
    released = asyncio.Event()

    async def silent(_request: web.Request) -> web.StreamResponse:
        await released.wait()
        return web.Response()

    simulator.answers["GET", "/v2/"] = silent
    async with gate_before(simulator.url, read_timeout=0.05) as upstream:
        with pytest.raises(UpstreamTimeoutError):
            await upstream.check()
    released.set()


@pytest.fixture
async def deaf() -> AsyncIterator[str]:
    """The address of a server that reads the head of a request and nothing more."""
    released = asyncio.Event()

    async def ignore(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await released.wait()
        writer.close()

    server = await asyncio.start_server(ignore, "127.0.0.1", 0, limit=1024)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    released.set()
    server.close()
    await server.wait_closed()


async def test_an_upstream_that_stops_taking_a_chunk_times_out(deaf: str) -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield bytes(1 << 20)

    async with gate_before(deaf, read_timeout=0.1) as upstream:
        upload = Upload(UPLOAD_PATH, 0)
        upstream._uploads._newest[UPLOAD_PATH] = upload
        with pytest.raises(UpstreamTimeoutError):
            await upstream.append(REPOSITORY, upload, endless())


async def test_an_upstream_that_stops_taking_a_manifest_times_out(deaf: str) -> None:
    async with gate_before(deaf, connect_timeout=0.1, read_timeout=0.1) as upstream:
        with pytest.raises(UpstreamTimeoutError):
            await upstream.put_manifest(REPOSITORY, TAG, OCI_MANIFEST, bytes(64 << 20))


async def test_t69_no_download_is_cut_by_a_total_timeout(simulator: Simulator) -> None:
    async with gate_before(simulator.url, read_timeout=7.0) as upstream:
        for session in (upstream._connection._session, upstream._connection._outside):
            assert session.timeout.total is None
            assert session.timeout.sock_read == 7.0
            assert session.timeout.connect == 10.0
            assert session.auto_decompress is False


async def test_a_get_survives_a_connection_that_died_while_idle() -> None:
    served = 0

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal served
        await reader.readuntil(b"\r\n\r\n")
        served += 1
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        await writer.drain()
        await reader.read(1)  # the second request on this connection is not answered
        writer.close()

    server = await asyncio.start_server(once, "127.0.0.1", 0)
    async with gate_before(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}") as upstream:
        await upstream.check()
        await upstream.check()
    assert served == 2
    server.close()
    await server.wait_closed()


async def test_a_digest_the_upstream_does_not_find_is_a_mismatch(simulator: Simulator) -> None:
    simulator.on("PUT", UPLOAD_PATH, 400, b'{"errors": [{"code": "DIGEST_INVALID", "message": "no"}]}')
    async with gate_before(simulator.url) as upstream:
        with pytest.raises(DigestMismatchError):
            await upstream.finish_upload(REPOSITORY, Upload(UPLOAD_PATH, 0), DIGEST)
    assert [request.method for request in simulator.seen] == ["PUT", "DELETE"]


async def test_an_upload_begun_by_another_replica_goes_on_where_the_upstream_says(simulator: Simulator) -> None:
    simulator.on("GET", UPLOAD_PATH, 204, headers={"Location": f"{UPLOAD_PATH}?s=2", "Range": "0-9"})
    simulator.on("PATCH", UPLOAD_PATH, 202, headers={"Location": f"{UPLOAD_PATH}?s=3", "Range": "0-12"})
    async with gate_before(simulator.url) as upstream:
        after = await upstream.append(REPOSITORY, Upload(f"{UPLOAD_PATH}?s=1", 10), chunks(b"abc"))
    assert after == Upload(f"{UPLOAD_PATH}?s=3", 13)
    assert [(request.method, request.target, request.body) for request in simulator.seen] == [
        ("GET", f"{UPLOAD_PATH}?s=1", b""),
        ("PATCH", f"{UPLOAD_PATH}?s=2", b"abc"),
    ]


# --- lists


def on_pages(simulator: Simulator, path: str, key: str, pages: dict[str, tuple[list[str], str]]) -> None:
    """Answer `path` by query with the page and the target of its Link."""

    async def answer(request: web.Request) -> web.StreamResponse:
        items, link = pages[request.query_string]
        headers = {"Link": f'<{link}>; rel="next"'} if link else {}
        return web.json_response({key: items}, headers=headers)

    simulator.answers["GET", path] = answer


async def test_pages_are_followed_to_the_last(simulator: Simulator) -> None:
    path = "/v2/team/app/tags/list"
    pages = {"n=2": (["a", "c"], f"{path}?n=2&last=c"), "n=2&last=c": (["b", "not/a/tag"], "")}
    on_pages(simulator, path, "tags", pages)
    async with gate_before(simulator.url, page=2) as upstream:
        assert await upstream.tags(REPOSITORY) == (Tag("a"), Tag("b"), Tag("c"))


@pytest.mark.parametrize("link", ["http://evil.example/v2/_catalog", "/v2/other?n=2", "/v2/../x"])
async def test_a_page_elsewhere_is_not_followed(simulator: Simulator, link: str) -> None:
    on_pages(simulator, "/v2/_catalog", "repositories", {"n=1000": (["a"], link)})
    async with gate_before(simulator.url) as upstream:
        with pytest.raises((BrokenContentError, UpstreamRefusedError)):
            await upstream.repositories()
    assert len(simulator.seen) == 1


async def test_t71_pages_without_an_end_are_given_up(simulator: Simulator) -> None:
    on_pages(simulator, "/v2/_catalog", "repositories", {"n=1000": (["a"], "/v2/_catalog?n=1000")})
    async with gate_before(simulator.url) as upstream:
        with pytest.raises(BrokenContentError, match="pages"):
            await upstream.repositories()


async def test_t71_a_list_without_an_end_is_given_up_though_its_pages_are_small_enough(simulator: Simulator) -> None:
    pages = {"n=1000": (["a"] * 600_000, "/v2/_catalog?n=1001"), "n=1001": (["b"] * 600_000, "/v2/_catalog?n=1000")}
    on_pages(simulator, "/v2/_catalog", "repositories", pages)
    async with gate_before(simulator.url) as upstream:
        with pytest.raises(BrokenContentError, match="lists more than 1000000 repositories"):
            await upstream.repositories()


async def test_referrers_come_from_the_api_where_there_is_one(simulator: Simulator) -> None:
    subject = image_manifest(b"{}", b"layer")
    mine, other = image_manifest(b"{}", b"signature", subject), image_manifest(b"{}", b"unrelated")
    path = f"/v2/team/app/referrers/{Digest.of(subject)}"
    simulator.on("GET", path, body=index_of(mine, other), headers={"Content-Type": OCI_INDEX})
    for body in (mine, other):
        simulator.on(
            "GET", f"/v2/team/app/manifests/{Digest.of(body)}", body=body, headers={"Content-Type": OCI_MANIFEST}
        )
    async with gate_before(simulator.url) as upstream:
        found = await upstream.referrers(REPOSITORY, Digest.of(subject))
    assert [one.body for one in found] == [mine]


async def test_t58_endless_referrers_are_refused(simulator: Simulator) -> None:
    index = index_of(*(str(number).encode() for number in range(257)))
    simulator.on("GET", f"/v2/team/app/referrers/{DIGEST}", body=index, headers={"Content-Type": OCI_INDEX})
    async with gate_before(simulator.url) as upstream:
        with pytest.raises(BrokenContentError, match="257"):
            await upstream.referrers(REPOSITORY, DIGEST)
