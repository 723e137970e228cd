"""Clients that take their time over a request's head, its body, or their answer (threat 72)."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from proxy.identity.principal import Role
from tests.proxy.conftest import StartFace
from tests.proxy.face import Face, basic

BOTH_EVENT_LOOPS = True
HEAD = b"GET /healthz HTTP/1.1\r\nHost: gate\r\n"


@pytest.fixture
async def hasty(start_face: StartFace) -> AsyncIterator[Face]:
    """A face that waits for nobody."""
    impatient = dict.fromkeys(("header_timeout_seconds", "read_timeout_seconds", "write_timeout_seconds"), 0.2)
    async with start_face(network=impatient) as face:
        _, face.token = await face.new_token(Role.DEVELOPER, "team/**")
        yield face


async def closed(writer: asyncio.StreamWriter) -> None:
    """Close a connection on which more was sent than the face took."""
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


@pytest.mark.parametrize("half", [HEAD, b"G", b"GET /healthz HTTP/1.1\r\nHost: gate\r\nX-Long: " + b"x" * 2000])
async def test_t72_half_a_head_is_answered_by_408_and_the_end(hasty: Face, half: bytes) -> None:
    said = await hasty.raw(half)
    assert said.startswith(b"HTTP/1.1 408 ")
    assert b'"errors"' in said


async def test_t72_a_head_that_trickles_in_does_not_move_the_deadline(hasty: Face) -> None:
    reader, writer = await asyncio.open_connection(hasty.host, hasty.port)
    answer = asyncio.ensure_future(reader.readline())  # what trickles on after it may reset the connection
    writer.write(HEAD)
    while not answer.done():
        writer.write(b"X-Drop: 1\r\n")
        await asyncio.wait([answer], timeout=0.02)
    await closed(writer)
    assert answer.result().startswith(b"HTTP/1.1 408 ")


async def test_t72_a_connection_that_never_speaks_is_closed_without_a_word(hasty: Face) -> None:
    assert await hasty.raw(b"") == b""


async def test_t72_the_second_request_of_a_connection_has_its_own_deadline(hasty: Face) -> None:
    reader, writer = await asyncio.open_connection(hasty.host, hasty.port)
    writer.write(HEAD + b"\r\n")
    first = await reader.readuntil(b"}")
    writer.write(HEAD)
    second = await reader.read()
    writer.close()
    await writer.wait_closed()
    assert first.startswith(b"HTTP/1.1 200 ")
    assert second.startswith(b"HTTP/1.1 408 ")


async def test_a_connection_between_two_requests_may_rest(hasty: Face) -> None:
    reader, writer = await asyncio.open_connection(hasty.host, hasty.port)
    writer.write(HEAD + b"\r\n")
    await reader.readuntil(b"}")
    assert await hasty.raw(HEAD)  # somebody else's whole deadline passes
    writer.write(HEAD + b"Connection: close\r\n\r\n")
    said = await reader.read()
    writer.close()
    await writer.wait_closed()
    assert said.startswith(b"HTTP/1.1 200 ")


async def test_t72_a_body_that_falls_silent_is_given_up(hasty: Face) -> None:
    head = (
        "PUT /v2/team/app/manifests/1 HTTP/1.1\r\nHost: gate\r\nContent-Type: text/x\r\nContent-Length: 9\r\n"
        f"Authorization: {basic(hasty.token)}\r\n\r\n"
    )
    reader, writer = await asyncio.open_connection(hasty.host, hasty.port)
    writer.write(head.encode() + b"half")
    said = await reader.readuntil(b"\r\n\r\n")
    writer.close()
    await writer.wait_closed()
    assert said.startswith(b"HTTP/1.1 408 ")


async def test_t72_a_login_form_that_trickles_in_is_given_up(hasty: Face) -> None:
    head = (
        b"POST /auth/token HTTP/1.1\r\nHost: gate\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        b"Content-Length: 60000\r\n\r\n"
    )
    reader, writer = await asyncio.open_connection(hasty.host, hasty.port)
    answer = asyncio.ensure_future(reader.readuntil(b"\r\n\r\n"))
    writer.write(head)
    while not answer.done():
        writer.write(b"x")
        await asyncio.wait([answer], timeout=0.02)
    await closed(writer)
    assert answer.result().startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize("is_file", [False, True], ids=["by chunks", "by the kernel"])
async def test_t72_a_client_that_takes_nothing_of_its_answer_is_cut_off(
    hasty: Face, tmp_path: Path, caplog: pytest.LogCaptureFixture, *, is_file: bool
) -> None:
    content = bytes(32 << 20)  # more than the sockets between hold
    digest = hasty.blob(content)
    if is_file:
        hasty.upstream.files[digest] = tmp_path / "blob"
        hasty.upstream.files[digest].write_bytes(content)
    with socket.create_connection((hasty.host, hasty.port)) as client:
        head = f"GET /v2/team/app/blobs/{digest} HTTP/1.1\r\nHost: gate\r\nAuthorization: {basic(hasty.token)}\r\n\r\n"
        client.sendall(head.encode())
        async with asyncio.timeout(60):
            assert await hasty.upstream.released.get() == digest
        client.setblocking(False)
        loop, received = asyncio.get_running_loop(), 0
        with suppress(ConnectionError):
            while part := await loop.sock_recv(client, 1 << 20):
                received += len(part)
    assert received < len(content)
    assert "unexpected error" not in caplog.text
