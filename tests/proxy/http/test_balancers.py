"""The PROXY protocol on real sockets: required from balancers, refused from everybody else."""

import asyncio
import ssl
from contextlib import suppress
from pathlib import Path

import pytest

from proxy.serving.proxy_protocol import SIGNATURE
from tests.certificates import Authority
from tests.proxy.conftest import StartFace
from tests.proxy.face import Face

BOTH_EVENT_LOOPS = True
VERSION_1 = b"PROXY TCP4 192.0.2.7 10.0.0.1 4711 443\r\n"
VERSION_2 = SIGNATURE + b"\x21\x11\x00\x0c" + bytes([192, 0, 2, 7, 10, 0, 0, 1, 0, 1, 0, 2])
BAD_LOGIN = b"GET /v2/ HTTP/1.1\r\nHost: gate\r\nAuthorization: Bearer wrong\r\nConnection: close\r\n%s\r\n"
HERE = {"proxy_protocol_from": ("127.0.0.0/8",)}


async def audited_address(face: Face) -> str:
    """Whom the newest record names."""
    return (await face.audited())[-1].address


@pytest.mark.parametrize("header", [VERSION_1, VERSION_2])
async def test_the_client_is_whom_a_balancer_names(start_face: StartFace, header: bytes) -> None:
    async with start_face(network=HERE) as face:
        assert (await face.raw(header + BAD_LOGIN % b"")).startswith(b"HTTP/1.1 401 ")
        assert await audited_address(face) == "192.0.2.7"


@pytest.mark.parametrize("header", [b"PROXY UNKNOWN\r\n", SIGNATURE + b"\x20\x00\x00\x00"])
async def test_a_balancer_that_speaks_for_itself_is_the_client(start_face: StartFace, header: bytes) -> None:
    async with start_face(network=HERE) as face:
        assert (await face.raw(header + BAD_LOGIN % b"")).startswith(b"HTTP/1.1 401 ")
        assert await audited_address(face) == "127.0.0.1"


async def test_a_header_of_one_byte_at_a_time_is_one_header(start_face: StartFace) -> None:
    async with start_face(network=HERE) as face:
        reader, writer = await asyncio.open_connection(face.host, face.port)
        for byte in VERSION_1:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0)
        writer.write(BAD_LOGIN % b"")
        assert (await reader.read()).startswith(b"HTTP/1.1 401 ")
        writer.close()
        await writer.wait_closed()


async def test_behind_a_balancer_a_proxy_of_ours_is_still_asked(start_face: StartFace) -> None:
    async with start_face(network=HERE | {"trusted_proxies": ("192.0.2.0/24",)}) as face:
        await face.raw(VERSION_2 + BAD_LOGIN % b"X-Forwarded-For: 198.51.100.9\r\n")
        assert await audited_address(face) == "198.51.100.9"
        await face.raw(b"PROXY UNKNOWN\r\n" + BAD_LOGIN % b"X-Forwarded-For: 198.51.100.9\r\n")
        assert await audited_address(face) == "127.0.0.1"


@pytest.mark.parametrize("header", [VERSION_1, VERSION_2])
async def test_t26_from_elsewhere_a_proxy_header_is_a_closed_connection(start_face: StartFace, header: bytes) -> None:
    async with start_face(network={"proxy_protocol_from": ("192.0.2.0/24",)}) as face:
        before = await face.audited()
        said = await face.raw(header + BAD_LOGIN % b"")
        assert b" 400 " in said.partition(b"\r\n")[0]
        assert said.count(b"HTTP/1.") == 1
        assert await face.audited() == before


@pytest.mark.parametrize(
    "opening", [BAD_LOGIN % b"", b"PROXY nonsense\r\n", SIGNATURE + b"\x21\x11\xff\xff" + bytes(64)]
)
async def test_from_a_balancer_anything_but_a_proxy_header_is_a_closed_connection(
    start_face: StartFace, opening: bytes
) -> None:
    async with start_face(network=HERE) as face:
        reader, writer = await asyncio.open_connection(face.host, face.port)
        writer.write(opening)
        with suppress(ConnectionResetError):  # closed with bytes unread
            assert await reader.read() == b""
        writer.close()


async def test_t72_a_proxy_header_that_does_not_come_is_not_waited_for(start_face: StartFace) -> None:
    async with start_face(network=HERE | {"header_timeout_seconds": 0.2}) as face:
        for half in (b"", b"PROXY TCP4 192.0.2.7", VERSION_2[:20]):
            assert await face.raw(half) == b""


async def test_the_header_stands_before_tls(start_face: StartFace, tmp_path: Path) -> None:
    authority = Authority.make()
    certificate, key = authority.issue(tmp_path, "127.0.0.1")
    listen = {"port": 0, "tls_cert_file": str(certificate), "tls_key_file": str(key)}
    async with start_face(network=HERE, listen=listen) as face:
        reader, writer = await asyncio.open_connection(face.host, face.port)
        writer.write(VERSION_2)
        await writer.start_tls(ssl.create_default_context(cadata=authority.pem.decode()), server_hostname="127.0.0.1")
        writer.write(BAD_LOGIN % b"")
        assert (await reader.read()).startswith(b"HTTP/1.1 401 ")
        writer.close()
        await writer.wait_closed()
        assert await audited_address(face) == "192.0.2.7"
