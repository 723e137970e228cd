"""Blobs: whole, in part, and broken off."""

from pathlib import Path

import aiohttp
import pytest

from proxy.identity.principal import Role
from scanning.oci.digest import Digest
from tests.proxy.conftest import StartFace
from tests.proxy.face import Face

BOTH_EVENT_LOOPS = True
CONTENT = bytes(range(256)) * 1000
SIZE = len(CONTENT)


@pytest.fixture(params=["stream", "file"])
def target(face: Face, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """The address of a blob, which is a file on this machine or is not."""
    digest = face.blob(CONTENT)
    if request.param == "file":
        path = tmp_path / "blob"
        path.write_bytes(CONTENT)
        face.upstream.files[digest] = path
    return f"/v2/team/app/blobs/{digest}"


async def test_a_blob_comes_whole_with_its_names(face: Face, target: str) -> None:
    answer = await face.call("GET", target)
    digest = str(Digest.of(CONTENT))
    assert (answer.status, answer.body) == (200, CONTENT)
    assert answer.headers["Content-Length"] == str(SIZE)
    assert answer.headers["Docker-Content-Digest"] == digest
    assert answer.headers["ETag"] == f'"{digest}"'
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert answer.headers["Content-Type"] == "application/octet-stream"


async def test_head_says_the_same_without_the_bytes(face: Face, target: str) -> None:
    answer = await face.call("HEAD", target)
    assert (answer.status, answer.body, answer.headers["Content-Length"]) == (200, b"", str(SIZE))


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("0-0", 0, 1),
        ("10-19", 10, 20),
        (f"{SIZE - 5}-", SIZE - 5, SIZE),
        ("-5", SIZE - 5, SIZE),
        ("0-9999999", 0, SIZE),
    ],
)
async def test_one_range_is_served(face: Face, target: str, asked: str, start: int, end: int) -> None:
    answer = await face.call("GET", target, headers={"Range": f"bytes={asked}"})
    assert (answer.status, answer.body) == (206, CONTENT[start:end])
    assert answer.headers["Content-Range"] == f"bytes {start}-{end - 1}/{SIZE}"


@pytest.mark.parametrize("asked", ["bytes=0-1,5-6", "bytes=x-", "bytes=-", "pages=1-2", "bytes 0-1"])
async def test_ranges_that_are_not_understood_mean_everything(face: Face, target: str, asked: str) -> None:
    answer = await face.call("GET", target, headers={"Range": asked})
    assert (answer.status, answer.body) == (200, CONTENT)


async def test_a_range_of_another_version_means_everything(face: Face, target: str) -> None:
    answer = await face.call("GET", target, headers={"Range": "bytes=0-1", "If-Range": '"another"'})
    assert (answer.status, answer.body) == (200, CONTENT)


@pytest.mark.parametrize("asked", [f"{SIZE}-", f"{SIZE}-{SIZE + 5}", "-0", "5-2"])
async def test_t30_an_unsatisfiable_range_is_416_with_the_size(face: Face, target: str, asked: str) -> None:
    answer = await face.call("GET", target, headers={"Range": f"bytes={asked}"})
    assert (answer.status, answer.headers["Content-Range"]) == (416, f"bytes */{SIZE}")


@pytest.mark.parametrize("asked", [{}, {"Range": "bytes=0-9"}])
async def test_a_blob_that_lies_elsewhere_is_a_redirect_that_nobody_keeps(
    face: Face, target: str, asked: dict[str, str]
) -> None:
    elsewhere = "https://blobs.example/x?signature=a%2Fb"
    face.upstream.locations[Digest.of(CONTENT)] = elsewhere
    answer = await face.call("GET", target, headers=asked)
    assert (answer.status, answer.headers["Location"], answer.body) == (307, elsewhere, b"")
    assert answer.headers["Docker-Content-Digest"] == str(Digest.of(CONTENT))
    assert answer.headers["Cache-Control"] == "no-store"


async def test_where_the_policy_wants_it_the_gate_sends_every_blob(face: Face, target: str) -> None:
    face.upstream.locations[Digest.of(CONTENT)] = "https://blobs.example/x"
    face.gate.sends_all = True
    answer = await face.call("GET", target)
    assert (answer.status, answer.body) == (200, CONTENT)


async def test_t35_where_a_blob_lies_is_not_told_while_only_those_who_push_may_read_it(face: Face, target: str) -> None:
    face.upstream.locations[Digest.of(CONTENT)] = "https://blobs.example/x"
    face.gate.unadmitted.add(Digest.of(CONTENT))
    answer = await face.call("GET", target)
    assert (answer.status, answer.body) == (200, CONTENT)


async def test_head_of_a_blob_that_lies_elsewhere_is_answered_here(face: Face, target: str) -> None:
    face.upstream.locations[Digest.of(CONTENT)] = "https://blobs.example/x"
    answer = await face.call("HEAD", target)
    assert (answer.status, answer.headers["Content-Length"]) == (200, str(SIZE))


async def test_t35_where_a_blob_lies_is_told_only_to_those_who_may_have_it(face: Face, target: str) -> None:
    face.upstream.locations[Digest.of(CONTENT)] = "https://blobs.example/x"
    face.gate.denied.add(Digest.of(CONTENT))
    answer = await face.call("GET", target)
    assert (answer.status, answer.headers.get("Location")) == (403, None)


async def test_an_unknown_blob_is_404(face: Face) -> None:
    for method in ("GET", "HEAD"):
        assert (await face.call(method, f"/v2/team/app/blobs/{Digest.of(b'none')}")).status == 404


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_t36_head_is_gated_as_get_is(face: Face, target: str, method: str) -> None:
    face.gate.denied.add(Digest.of(CONTENT))
    assert (await face.call(method, target)).status == 403


async def test_t66_an_upstream_that_breaks_off_breaks_the_answer_off(face: Face) -> None:
    digest = face.blob(CONTENT)
    face.upstream.cut_after = 100
    with pytest.raises(aiohttp.ClientError):
        await face.call("GET", f"/v2/team/app/blobs/{digest}")


async def test_t66_a_file_that_is_too_short_breaks_the_answer_off(face: Face, tmp_path: Path) -> None:
    digest = face.blob(CONTENT)
    path = tmp_path / "blob"
    path.write_bytes(CONTENT[:100])
    face.upstream.files[digest] = path
    face.upstream.cut_after = 100
    with pytest.raises(aiohttp.ClientError):
        await face.call("GET", f"/v2/team/app/blobs/{digest}")


async def test_t21_deleting_is_405_until_it_is_switched_on(face: Face, target: str) -> None:
    _, admin = await face.new_token(Role.ADMIN, "**")
    answer = await face.call("DELETE", target, token=admin)
    assert (answer.status, answer.code) == (405, "UNSUPPORTED")
    assert (await face.call("DELETE", "/v2/team/app/manifests/1", token=admin)).status == 405


async def test_deleting_where_it_is_switched_on(start_face: StartFace) -> None:
    async with start_face(registry={"delete_enabled": True}) as face:
        _, admin = await face.new_token(Role.ADMIN, "**")
        _, developer = await face.new_token(Role.DEVELOPER, "**")
        target = f"/v2/team/app/blobs/{face.blob(CONTENT)}"
        statuses = [(await face.call("DELETE", target, token=token)).status for token in (developer, admin, admin)]
    assert statuses == [403, 202, 404]


async def test_a_file_that_went_between_is_no_obstacle(face: Face, tmp_path: Path) -> None:
    digest = face.blob(CONTENT)
    face.upstream.files[digest] = tmp_path / "gone"
    assert (await face.call("GET", f"/v2/team/app/blobs/{digest}")).body == CONTENT
