"""Where clients may be sent for a blob by a remote registry: only where the operator says (threat 84)."""

from collections.abc import AsyncIterator

import pytest

from proxy.upstream.port import UpstreamRefusedError
from scanning.oci.digest import Digest
from scanning.oci.names import Repository
from tests.proxy.upstream.simulator import Simulator, gate_before, simulated

REPOSITORY = Repository("team/app")
DIGEST = Digest.of(b"0123456789")
PATH = f"/v2/{REPOSITORY}/blobs/{DIGEST}"
ELSEWHERE = "https://blobs.example/bucket/blob?signature=a%2Fb%3D&expires=60"


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    """A registry that keeps its blobs elsewhere."""
    async with simulated() as simulator:
        simulator.on("GET", PATH, 307, headers={"Location": ELSEWHERE})
        yield simulator


async def locate(simulator: Simulator, *allowed: str) -> str | None:
    async with gate_before(simulator.url, client_redirect_hosts=allowed) as upstream:
        return await upstream.blob_location(REPOSITORY, DIGEST)


@pytest.mark.parametrize("allowed", ["blobs.example", "blobs.example:443"])
async def test_an_allowed_host_is_passed_on_as_it_is_for_one_request(simulator: Simulator, allowed: str) -> None:
    assert await locate(simulator, allowed) == ELSEWHERE
    assert [(seen.method, seen.target) for seen in simulator.seen] == [("GET", PATH)]


async def test_t84_nobody_is_redirected_unless_that_is_switched_on(simulator: Simulator) -> None:
    assert await locate(simulator) is None
    assert simulator.seen == []


@pytest.mark.parametrize("allowed", ["example", "other.example", "blobs.example:80", "evil-blobs.example"])
async def test_t84_another_host_than_those_allowed_is_not_passed_on(simulator: Simulator, allowed: str) -> None:
    assert await locate(simulator, allowed) is None


@pytest.mark.parametrize(
    "location",
    ["https://user:password@blobs.example/x", "ftp://blobs.example/x", "http://169.254.169.254/x", "https://a b/", ""],
)
async def test_t84_what_would_not_be_followed_is_not_passed_on(simulator: Simulator, location: str) -> None:
    simulator.on("GET", PATH, 307, headers={"Location": location})
    with pytest.raises(UpstreamRefusedError):
        await locate(simulator, "blobs.example")


async def test_a_redirect_at_home_is_followed_until_it_leaves(simulator: Simulator) -> None:
    simulator.on("GET", PATH, 302, headers={"Location": "/data/blob"})
    simulator.on("GET", "/data/blob", 302, headers={"Location": ELSEWHERE})
    assert await locate(simulator, "blobs.example") == ELSEWHERE


async def test_an_upstream_that_answers_itself_is_streamed(simulator: Simulator) -> None:
    simulator.on("GET", PATH, 206, body=b"0", headers={"Content-Range": "bytes 0-0/10"})
    assert await locate(simulator, "blobs.example") is None
    assert simulator.seen[0].headers["range"] == "bytes=0-0"


async def test_redirects_at_home_come_to_an_end(simulator: Simulator) -> None:
    simulator.on("GET", PATH, 302, headers={"Location": PATH})
    assert await locate(simulator, "blobs.example") is None
    assert len(simulator.seen) == 3
