"""The end of a face: no new connections, and what is under way is finished."""

import asyncio
from contextlib import AsyncExitStack

import aiohttp
import pytest

from proxy.identity.principal import Role
from scanning.oci.digest import Digest
from scanning.oci.names import Repository
from tests.proxy.conftest import StartFace
from tests.proxy.face import basic

BOTH_EVENT_LOOPS = True
CONTENT = b"0123456789"
DIGEST = Digest.of(CONTENT)


async def test_an_upload_under_way_is_completed(start_face: StartFace) -> None:
    async with AsyncExitStack() as stack:
        face = await stack.enter_async_context(start_face())
        _, face.token = await face.new_token(Role.DEVELOPER, "team/**")
        location = (await face.call("POST", "/v2/team/app/blobs/uploads/")).headers["Location"]
        idle_reader, idle_writer = await asyncio.open_connection(face.host, face.port)
        reader, writer = await asyncio.open_connection(face.host, face.port)
        head = (
            f"PUT {location}?digest={DIGEST} HTTP/1.1\r\nHost: gate\r\nAuthorization: {basic(face.token)}\r\n"
            f"Content-Type: application/octet-stream\r\nContent-Length: {len(CONTENT)}\r\n\r\n"
        )
        writer.write(head.encode() + CONTENT[:4])
        while (await face.call("GET", location)).headers["Range"] != "0-3":
            pass  # each round trip lets the face run, so the bytes will have arrived
        ending = asyncio.create_task(stack.aclose())
        assert await idle_reader.read() == b""  # idle connections are closed at once
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(face.host, face.port)
        assert not ending.done()
        writer.write(CONTENT[4:])
        assert (await reader.read()).startswith(b"HTTP/1.1 201 ")
        await ending
        for each in (writer, idle_writer):
            each.close()
            await each.wait_closed()
    assert face.upstream.blobs == {(Repository("team/app"), DIGEST): CONTENT}


async def test_a_pull_that_its_client_takes_slowly_is_completed(start_face: StartFace) -> None:
    content = bytes(16 << 20)  # more than the sockets between hold
    async with AsyncExitStack() as stack:
        face = await stack.enter_async_context(start_face())
        _, face.token = await face.new_token(Role.DEVELOPER, "team/**")
        digest = face.blob(content)
        reader, writer = await asyncio.open_connection(face.host, face.port)
        head = f"GET /v2/team/app/blobs/{digest} HTTP/1.1\r\nHost: gate\r\nAuthorization: {basic(face.token)}\r\n\r\n"
        writer.write(head.encode())
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        ending = asyncio.create_task(stack.aclose())
        await face.refuses_connections()
        assert not ending.done()
        assert await reader.read() == content
        await ending
        writer.close()
        await writer.wait_closed()


async def test_a_manifest_that_waits_for_its_turn_is_answered_and_the_client_told_to_go(start_face: StartFace) -> None:
    async with AsyncExitStack() as stack:
        face = await stack.enter_async_context(start_face())
        _, face.token = await face.new_token(Role.DEVELOPER, "team/**")
        face.gate.pushes_wait_for = asyncio.Event()
        reader, writer = await asyncio.open_connection(face.host, face.port)
        head = (
            "PUT /v2/team/app/manifests/1 HTTP/1.1\r\nHost: gate\r\nContent-Type: text/x\r\nContent-Length: 2\r\n"
            f"Authorization: {basic(face.token)}\r\n\r\n"
        )
        writer.write(head.encode() + b"{}")
        while not face.gate.pushes_waiting:
            await face.call("GET", "/healthz")
        ending = asyncio.create_task(stack.aclose())
        await face.refuses_connections()
        face.gate.pushes_wait_for.set()
        said = await reader.read()
        assert said.startswith(b"HTTP/1.1 201 ")
        assert b"\r\nConnection: close\r\n" in said
        await ending
        writer.close()
        await writer.wait_closed()


async def test_a_request_whose_head_is_on_its_way_is_answered(start_face: StartFace) -> None:
    async with AsyncExitStack() as stack:
        face = await stack.enter_async_context(start_face())
        reader, writer = await asyncio.open_connection(face.host, face.port)
        writer.write(b"GET /readyz HTTP/1.1\r\n")
        await face.call("GET", "/healthz")  # the half has arrived before this
        ending = asyncio.create_task(stack.aclose())
        await face.refuses_connections()
        writer.write(b"Host: gate\r\n\r\n")
        said = await reader.read()
        assert said.startswith(b"HTTP/1.1 503 ")
        assert b'"status": "draining"' in said
        await ending
        writer.close()
        await writer.wait_closed()


async def test_what_does_not_end_is_cut_off(start_face: StartFace) -> None:
    async with AsyncExitStack() as stack:
        face = await stack.enter_async_context(start_face(listen={"port": 0, "drain_seconds": 0.2}))
        _, face.token = await face.new_token(Role.DEVELOPER, "team/**")
        face.gate.pushes_wait_for = asyncio.Event()
        pushing = asyncio.create_task(face.call("PUT", "/v2/team/app/manifests/1", body=b"{}"))
        while not face.gate.pushes_waiting:
            await face.call("GET", "/healthz")
        await stack.aclose()
        with pytest.raises(aiohttp.ClientError):
            await pushing
