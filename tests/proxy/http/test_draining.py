"""The end of a face: no new connections, and what is under way is finished."""

import asyncio
from contextlib import AsyncExitStack

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
