"""Uploads: every way the specification knows, who may go on with one, and what the observer sees."""

import asyncio

import pytest

from proxy.identity.principal import Role
from scanning.oci.digest import Digest
from scanning.oci.names import Repository
from tests.proxy.conftest import StartFace
from tests.proxy.face import Face, basic

APP = "/v2/team/app"
UPLOADS = f"{APP}/blobs/uploads/"
OCTETS = {"Content-Type": "application/octet-stream"}
CONTENT = b"0123456789" * 1000
DIGEST = Digest.of(CONTENT)
STORED = (Repository("team/app"), DIGEST)


async def begin(face: Face) -> str:
    """Start an upload; gives its address."""
    answer = await face.call("POST", UPLOADS)
    assert answer.status == 202
    return answer.headers["Location"]


def chunk(start: int, end: int) -> dict[str, str]:
    """The headers of a chunk."""
    return {**OCTETS, "Content-Range": f"{start}-{end - 1}"}


async def test_start_then_put_the_whole_blob(face: Face) -> None:
    answer = await face.call("PUT", f"{await begin(face)}?digest={DIGEST}", headers=OCTETS, body=CONTENT)
    assert answer.status == 201
    assert answer.headers["Location"] == f"{APP}/blobs/{DIGEST}"
    assert answer.headers["Docker-Content-Digest"] == str(DIGEST)
    assert face.upstream.blobs == {STORED: CONTENT}


async def test_post_with_a_digest_is_the_whole_upload(face: Face) -> None:
    answer = await face.call("POST", f"{UPLOADS}?digest={DIGEST}", headers=OCTETS, body=CONTENT)
    assert answer.status == 201
    assert face.upstream.blobs == {STORED: CONTENT}


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
async def test_chunks_of_either_algorithm_add_up(face: Face, algorithm: str) -> None:
    digest = Digest.of(CONTENT, algorithm)
    location = await begin(face)
    for start in (0, 4000):
        answer = await face.call(
            "PATCH", location, headers=chunk(start, start + 4000), body=CONTENT[start : start + 4000]
        )
        assert (answer.status, answer.headers["Range"]) == (202, f"0-{start + 3999}")
        location = answer.headers["Location"]
    answer = await face.call("PUT", f"{location}?digest={digest}", headers=chunk(8000, 10000), body=CONTENT[8000:])
    assert answer.status == 201
    assert face.upstream.blobs == {(Repository("team/app"), digest): CONTENT}


async def test_a_body_of_unknown_length_is_taken(face: Face) -> None:
    async def parts() -> object:
        yield CONTENT[:3000]
        yield CONTENT[3000:]

    answer = await face.call("PATCH", await begin(face), headers=OCTETS, body=parts())
    assert answer.headers["Range"] == "0-9999"
    done = await face.call("PUT", f"{answer.headers['Location']}?digest={DIGEST}")
    assert done.status == 201


async def test_the_status_says_where_an_upload_stands_even_to_an_old_address(face: Face) -> None:
    location = await begin(face)
    assert (await face.call("GET", location)).headers["Range"] == "0-0"
    await face.call("PATCH", location, headers=OCTETS, body=CONTENT[:5])
    answer = await face.call("GET", location)
    assert (answer.status, answer.headers["Range"]) == (204, "0-4")
    again = await face.call("PATCH", answer.headers["Location"], headers=chunk(5, 10000), body=CONTENT[5:])
    assert again.status == 202


async def test_a_chunk_out_of_order_is_416_and_changes_nothing(face: Face) -> None:
    location = (await face.call("PATCH", await begin(face), headers=OCTETS, body=CONTENT[:10])).headers["Location"]
    for start in (0, 5, 20):
        answer = await face.call("PATCH", location, headers=chunk(start, start + 5), body=b"12345")
        assert (answer.status, answer.code, answer.headers["Range"]) == (416, "BLOB_UPLOAD_INVALID", "0-9")
    assert (await face.call("GET", location)).headers["Range"] == "0-9"


@pytest.mark.parametrize("span", ["0-3", "4-0", "x", "0-", "-4", "0-4 5-6", "0-99999999999999999999999"])
async def test_a_chunk_that_contradicts_its_range_is_refused(face: Face, span: str) -> None:
    answer = await face.call("PATCH", await begin(face), headers={**OCTETS, "Content-Range": span}, body=b"12345")
    assert (answer.status, answer.code) == (400, "BLOB_UPLOAD_INVALID")


async def test_a_wrong_digest_publishes_nothing(face: Face) -> None:
    wrong = Digest.of(b"other")
    for target in (f"{await begin(face)}?digest={wrong}", f"{UPLOADS}?digest={wrong}"):
        method = "POST" if target.startswith(f"{UPLOADS}?") else "PUT"
        answer = await face.call(method, target, headers=OCTETS, body=CONTENT)
        assert (answer.status, answer.code) == (400, "DIGEST_INVALID")
    assert face.upstream.blobs == {}


async def test_t32_a_malformed_digest_is_refused_before_the_body_is_read(face: Face) -> None:
    answer = await face.call("PUT", f"{await begin(face)}?digest=sha256:zz", headers=OCTETS, body=CONTENT)
    assert (answer.status, answer.code) == (400, "DIGEST_INVALID")
    assert [bytes(upload) for upload in face.upstream.uploads.values()] == [b""]


async def test_finishing_needs_a_digest(face: Face) -> None:
    answer = await face.call("PUT", await begin(face), headers=OCTETS, body=CONTENT)
    assert (answer.status, answer.code) == (400, "BLOB_UPLOAD_INVALID")


async def test_a_cancelled_upload_is_gone(face: Face) -> None:
    location = await begin(face)
    assert (await face.call("DELETE", location)).status == 204
    for method in ("GET", "DELETE"):
        answer = await face.call(method, location)
        assert answer.status == 404
    assert face.upstream.uploads == {}


async def test_t18_an_upload_belongs_to_who_began_it_and_where(face: Face) -> None:
    location = await begin(face)
    _, other = await face.new_token(Role.ADMIN, "**")
    elsewhere = location.replace("team/app", "team/other")
    for target, token in ((location, other), (elsewhere, face.token), (location[:-4] + "AAAA", face.token)):
        for method in ("GET", "PATCH", "PUT", "DELETE"):
            suffix = f"?digest={DIGEST}" if method == "PUT" else ""
            answer = await face.call(method, target + suffix, token=token)
            assert answer.status == 404
            assert method == "GET" or answer.code == "BLOB_UPLOAD_UNKNOWN"
    assert (await face.call("GET", location)).status == 204


async def test_t18_an_address_is_good_for_a_day(face: Face) -> None:
    location = await begin(face)
    face.time.passed += 25 * 3600
    assert (await face.call("GET", location)).status == 404


async def test_an_upload_goes_on_after_a_restart(face: Face, start_face: StartFace) -> None:
    location = (await face.call("PATCH", await begin(face), headers=OCTETS, body=CONTENT[:10])).headers["Location"]
    async with start_face() as restarted:
        answer = await restarted.call(
            "PUT", f"{location}?digest={DIGEST}", token=face.token, headers=OCTETS, body=CONTENT[10:]
        )
    assert answer.status == 201
    assert restarted.gate.observers == []  # nobody has seen the first bytes; the layer is read back later


async def test_a_mount_links_a_blob_the_caller_may_read(face: Face) -> None:
    digest = face.blob(CONTENT, "team/base")
    answer = await face.call("POST", f"{UPLOADS}?mount={digest}&from=team/base")
    assert (answer.status, answer.headers["Location"]) == (201, f"{APP}/blobs/{digest}")
    assert face.upstream.blobs[STORED] == CONTENT


@pytest.mark.parametrize("source", ["secret/app", "team/base", "team/empty", ""])
async def test_t13_a_mount_that_may_not_be_is_an_upload(face: Face, source: str) -> None:
    digest = face.blob(CONTENT, "secret/app")
    face.blob(CONTENT, "team/base")
    face.gate.denied.add(digest)
    answer = await face.call("POST", f"{UPLOADS}?mount={digest}&from={source}")
    assert answer.status == 202
    assert STORED not in face.upstream.blobs


async def test_a_mount_and_an_upload_at_once_are_ambiguous(face: Face) -> None:
    answer = await face.call("POST", f"{UPLOADS}?mount={DIGEST}&from=team/base&digest={DIGEST}")
    assert answer.status == 400


async def test_the_observer_sees_every_byte_and_the_digest(face: Face) -> None:
    location = (await face.call("PATCH", await begin(face), headers=OCTETS, body=CONTENT[:4000])).headers["Location"]
    await face.call("PUT", f"{location}?digest={DIGEST}", headers=OCTETS, body=CONTENT[4000:])
    (observer,) = face.gate.observers
    assert (bytes(observer.seen), observer.finished, observer.abandoned) == (CONTENT, DIGEST, False)
    assert face.gate.unobserved == []


async def test_a_busy_gate_lets_uploads_pass_unobserved(face: Face) -> None:
    face.gate.is_busy = True
    answer = await face.call("POST", f"{UPLOADS}?digest={DIGEST}", headers=OCTETS, body=CONTENT)
    assert (answer.status, face.gate.observers) == (201, [])
    assert face.gate.unobserved == [STORED]  # it is read back as soon as there is time for it
    assert face.gate.uploaded_bytes == len(CONTENT)


async def test_an_observer_that_would_miss_bytes_is_let_go(face: Face) -> None:
    first = await begin(face)
    location = (await face.call("PATCH", first, headers=OCTETS, body=CONTENT[:10])).headers["Location"]
    (state,) = face.upstream.uploads.values()
    state += CONTENT[10:20]  # another replica took a chunk
    moved = (await face.call("GET", location)).headers["Location"]
    answer = await face.call("PUT", f"{moved}?digest={DIGEST}", headers=OCTETS, body=CONTENT[20:])
    assert answer.status == 201
    assert [observer.abandoned for observer in face.gate.observers] == [True]


@pytest.mark.parametrize("failure", ["wrong digest", "upstream down", "cancelled"])
async def test_an_observer_of_a_failed_upload_is_let_go(face: Face, failure: str) -> None:
    answer = await face.call("PATCH", await begin(face), headers=OCTETS, body=CONTENT[:10])
    location = answer.headers["Location"]
    if failure == "wrong digest":
        await face.call("PUT", f"{location}?digest={DIGEST}")
    elif failure == "upstream down":
        face.upstream.is_down = True
        assert (await face.call("PATCH", location, headers=OCTETS, body=b"x")).status == 502
    else:
        await face.call("DELETE", location)
    assert [(observer.finished, observer.abandoned) for observer in face.gate.observers] == [(None, True)]


async def test_a_client_that_goes_away_leaves_what_arrived_and_no_observer(face: Face) -> None:
    location = await begin(face)
    reader, writer = await asyncio.open_connection(face.host, face.port)
    head = (
        f"PATCH {location} HTTP/1.1\r\nHost: gate\r\nAuthorization: {basic(face.token)}\r\n"
        "Content-Type: application/octet-stream\r\nContent-Length: 100\r\n\r\n"
    )
    writer.write(head.encode() + CONTENT[:10])
    await writer.drain()
    while (await face.call("GET", location)).headers["Range"] != "0-9":
        pass  # each round trip lets the face run, so the bytes will have arrived
    writer.transport.abort()
    while not face.gate.observers[0].abandoned:
        await face.call("GET", "/healthz")
    del reader
    assert (await face.call("GET", location)).headers["Range"] == "0-9"


async def test_an_upload_whose_framing_breaks_is_given_up(start_face: StartFace) -> None:
    async with start_face(network={"read_timeout_seconds": 0.2}) as face:
        _, face.token = await face.new_token(Role.DEVELOPER, "team/**")
        location = await begin(face)
        head = (
            f"PATCH {location} HTTP/1.1\r\nHost: gate\r\nAuthorization: {basic(face.token)}\r\nConnection: close\r\n"
            "Content-Type: application/octet-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        reader, writer = await asyncio.open_connection(face.host, face.port)
        writer.write(head.encode() + b"5\r\n12345\r\n")
        while (await face.call("GET", location)).headers["Range"] != "0-4":
            pass  # each round trip lets the face run, so the chunk will have arrived
        writer.write(b"not a size\r\n")
        said = await reader.read()
        writer.close()
        await writer.wait_closed()
    assert said.split(b" ", 2)[1] in (b"400", b"408")
    assert face.gate.observers[0].abandoned
