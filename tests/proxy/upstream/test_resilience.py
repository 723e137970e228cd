"""What the remote adapter does while its upstream is ill: ask again, ask less, and say when to come back."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import ClassVar

import pytest
from aiohttp import web

from proxy.errors import to_wire
from proxy.upstream.port import (
    UpstreamRateLimitedError,
    UpstreamSuspendedError,
    UpstreamUnavailableError,
)
from proxy.upstream.remote import RemoteUpstream
from proxy.upstream.retries import RetryPolicy
from scanning.oci.digest import Digest
from scanning.oci.media_types import OCI_MANIFEST
from scanning.oci.names import Repository, Tag
from tests.ports import free_port
from tests.proxy.upstream.oci_content import chunks, image_manifest
from tests.proxy.upstream.simulator import Answer, Simulator, gate_before, simulated

REPOSITORY = Repository("team/app")
BLOB = b"0123456789"
DIGEST = Digest.of(BLOB)
BLOB_PATH = f"/v2/team/app/blobs/{DIGEST}"
UPLOADS_PATH = "/v2/team/app/blobs/uploads/"
UPLOAD_PATH = "/v2/team/app/blobs/uploads/17"
MANIFEST_PATH = "/v2/team/app/manifests/v1"
PATIENT = RetryPolicy(more=3, seconds=60, first_pause=0.01)
Headers = dict[str, str]


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with simulated() as running:
        yield running


def failing(times: int, then: web.Response, status: int = 503, headers: Headers | None = None) -> Answer:
    """An answer that fails so often first. A status of 0 cuts the connection."""
    left = times

    async def answer(request: web.Request) -> web.StreamResponse:
        nonlocal left
        left -= 1
        if left < 0:
            return then
        if status == 0:
            assert request.transport is not None
            request.transport.close()
        return web.Response(status=status or 500, headers=headers)

    return answer


def count(simulator: Simulator, method: str, path: str) -> int:
    return sum((seen.method, seen.target.partition("?")[0]) == (method, path) for seen in simulator.seen)


# --- again


@pytest.mark.parametrize("status", [0, 429, 500, 502, 503, 504])
async def test_a_request_that_does_no_harm_twice_is_sent_again(simulator: Simulator, status: int) -> None:
    simulator.answers["HEAD", BLOB_PATH] = failing(3, web.Response(body=BLOB), status)
    async with gate_before(simulator.url, retry=PATIENT) as upstream:
        assert await upstream.blob_size(REPOSITORY, DIGEST) == 10


async def test_it_is_given_up_in_the_end(simulator: Simulator) -> None:
    simulator.on("HEAD", BLOB_PATH, 503)
    async with gate_before(simulator.url, retry=PATIENT) as upstream:
        with pytest.raises(UpstreamUnavailableError):
            await upstream.blob_size(REPOSITORY, DIGEST)
    assert count(simulator, "HEAD", BLOB_PATH) == 4


@pytest.mark.parametrize("status", [400, 403])
async def test_an_answer_that_is_about_the_request_is_not_asked_for_again(simulator: Simulator, status: int) -> None:
    simulator.on("HEAD", BLOB_PATH, status)
    async with gate_before(simulator.url, retry=PATIENT) as upstream:
        with pytest.raises(Exception, match="fetching the blob"):
            await upstream.blob_size(REPOSITORY, DIGEST)
    assert count(simulator, "HEAD", BLOB_PATH) == 1


async def test_a_manifest_is_stored_and_an_upload_opened_by_asking_again(simulator: Simulator) -> None:
    simulator.answers["PUT", MANIFEST_PATH] = failing(1, web.Response(status=201))
    simulator.answers["POST", UPLOADS_PATH] = failing(1, web.Response(status=202, headers={"Location": UPLOAD_PATH}))
    body = image_manifest(b"{}", BLOB)
    async with gate_before(simulator.url, retry=PATIENT) as upstream:
        await upstream.put_manifest(REPOSITORY, Tag("v1"), OCI_MANIFEST, body)
        assert (await upstream.begin_upload(REPOSITORY)).offset == 0
    assert [seen.body for seen in simulator.seen if seen.method == "PUT"] == [body, body]


async def append(upstream: RemoteUpstream) -> None:
    await upstream.append(REPOSITORY, await upstream.begin_upload(REPOSITORY), chunks(BLOB))


async def finish(upstream: RemoteUpstream) -> None:
    await upstream.finish_upload(REPOSITORY, await upstream.begin_upload(REPOSITORY), DIGEST)


async def delete(upstream: RemoteUpstream) -> None:
    await upstream.delete_blob(REPOSITORY, DIGEST)


@pytest.mark.parametrize(
    ("act", "method", "path"),
    [(append, "PATCH", UPLOAD_PATH), (finish, "PUT", UPLOAD_PATH), (delete, "DELETE", BLOB_PATH)],
)
async def test_what_cannot_be_done_twice_is_sent_once(
    simulator: Simulator, act: Callable[[RemoteUpstream], Awaitable[None]], method: str, path: str
) -> None:
    simulator.on("POST", UPLOADS_PATH, 202, headers={"Location": UPLOAD_PATH})
    simulator.on(method, path, 503)
    async with gate_before(simulator.url, retry=PATIENT) as upstream:
        with pytest.raises(UpstreamUnavailableError):
            await act(upstream)
    assert count(simulator, method, path) == 1


# --- when to come back


class Impatient(RetryPolicy):
    """Takes note of how long it was asked to wait, and waits not at all."""

    asked: ClassVar[list[tuple[int, float]]] = []

    def pause(self, failures: int, passed: float, asked_for: float, draw: float) -> float | None:
        self.asked.append((failures, asked_for))
        planned = super().pause(failures, passed, asked_for, draw)
        return None if planned is None else 0.0


async def test_the_pause_is_made_of_what_the_upstream_asks_for(simulator: Simulator) -> None:
    simulator.answers["HEAD", BLOB_PATH] = failing(2, web.Response(body=BLOB), 429, {"Retry-After": "17"})
    async with gate_before(simulator.url, retry=Impatient(more=3, seconds=60)) as upstream:
        assert await upstream.blob_size(REPOSITORY, DIGEST) == 10
    assert Impatient.asked == [(1, 17), (2, 17)]


@pytest.mark.parametrize("as_date", [False, True])
async def test_a_longer_retry_after_is_passed_on_at_once(simulator: Simulator, as_date: bool) -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    simulator.on("HEAD", BLOB_PATH, 429, headers={"Retry-After": later if as_date else "3600"})
    async with gate_before(simulator.url, retry=PATIENT) as upstream:
        with pytest.raises(UpstreamRateLimitedError) as refusal:
            await upstream.blob_size(REPOSITORY, DIGEST)
    assert count(simulator, "HEAD", BLOB_PATH) == 1
    wire = to_wire(refusal.value)
    assert (wire.status, wire.code) == (429, "TOOMANYREQUESTS")
    assert 3500 < int(wire.headers["Retry-After"]) <= 3600


@pytest.mark.parametrize(
    "text",
    [
        *("", "soon", "-1", "1.5", "9" * 40, "Thu, 99 Foo 2026 00:00:00 GMT", "\x00"),
        f"Mon, 01 Jan {'9' * 20} 00:00:00 GMT",
    ],
)
async def test_a_retry_after_that_cannot_be_read_is_none(simulator: Simulator, text: str) -> None:
    simulator.on("HEAD", BLOB_PATH, 503, headers={"Retry-After": text} if text.isprintable() else None)
    async with gate_before(simulator.url) as upstream:
        with pytest.raises(UpstreamUnavailableError) as failure:
            await upstream.blob_size(REPOSITORY, DIGEST)
    assert failure.value.retry_after == 0


# --- left alone


async def test_an_upstream_that_is_down_is_left_alone(simulator: Simulator) -> None:
    simulator.on("HEAD", BLOB_PATH, 503)
    async with gate_before(simulator.url, breaker_failures=2, breaker_seconds=300) as upstream:
        for _ in range(2):
            with pytest.raises(UpstreamUnavailableError):
                await upstream.blob_size(REPOSITORY, DIGEST)
        with pytest.raises(UpstreamSuspendedError) as refusal:
            await upstream.blob_size(REPOSITORY, DIGEST)
        with pytest.raises(UpstreamSuspendedError):
            await upstream.check()
    assert count(simulator, "HEAD", BLOB_PATH) == 2
    wire = to_wire(refusal.value)
    assert (wire.status, wire.code, wire.headers["Retry-After"]) == (503, "UNAVAILABLE", "1")


async def test_nobody_listening_counts_as_down() -> None:
    async with gate_before(f"http://127.0.0.1:{free_port()}", breaker_failures=2) as upstream:
        for _ in range(2):
            with pytest.raises(UpstreamUnavailableError) as failure:
                await upstream.check()
            assert not isinstance(failure.value, UpstreamSuspendedError)
        with pytest.raises(UpstreamSuspendedError):
            await upstream.check()


async def test_it_is_not_asked_again_by_those_who_would_repeat(simulator: Simulator) -> None:
    simulator.on("HEAD", BLOB_PATH, 503)
    async with gate_before(simulator.url, retry=PATIENT, breaker_failures=2) as upstream:
        with pytest.raises(UpstreamSuspendedError):
            await upstream.blob_size(REPOSITORY, DIGEST)
    assert count(simulator, "HEAD", BLOB_PATH) == 2


async def test_storage_it_redirects_to_is_another_matter(simulator: Simulator) -> None:
    async with simulated() as storage:
        simulator.on("HEAD", BLOB_PATH, 307, headers={"Location": f"{storage.url}/blob"})
        storage.on("HEAD", "/blob", 503)
        simulator.on("GET", "/v2/")
        async with gate_before(simulator.url, breaker_failures=1) as upstream:
            for _ in range(3):
                with pytest.raises(UpstreamUnavailableError):
                    await upstream.blob_size(REPOSITORY, DIGEST)
            await upstream.check()


# --- as many as may


async def test_no_more_requests_run_at_once_than_may(simulator: Simulator) -> None:
    running = most = 0
    full, go = asyncio.Event(), asyncio.Event()

    async def answer(_request: web.Request) -> web.StreamResponse:
        nonlocal running, most
        running += 1
        most = max(most, running)
        if running == 2:
            full.set()
        await go.wait()
        running -= 1
        return web.Response(body=BLOB)

    simulator.answers["HEAD", BLOB_PATH] = answer
    async with gate_before(simulator.url, max_connections=2, connect_timeout=60) as upstream:
        asked = [asyncio.create_task(upstream.blob_size(REPOSITORY, DIGEST)) for _ in range(8)]
        await asyncio.wait_for(full.wait(), 60)
        go.set()
        assert await asyncio.gather(*asked) == [10] * 8
    assert most == 2


async def test_who_waits_in_vain_is_told_to_come_back(simulator: Simulator) -> None:
    simulator.on("GET", BLOB_PATH, body=BLOB)
    async with gate_before(simulator.url, max_connections=1, connect_timeout=2.0, breaker_failures=1) as upstream:
        async with upstream.open_blob(REPOSITORY, DIGEST) as stream:
            assert stream is not None
            with pytest.raises(UpstreamSuspendedError, match="max_connections") as refusal:
                await upstream.blob_size(REPOSITORY, DIGEST)
        assert (to_wire(refusal.value).status, refusal.value.retry_after) == (503, 1)
        simulator.on("HEAD", BLOB_PATH, body=BLOB)
        assert await upstream.blob_size(REPOSITORY, DIGEST) == 10
