"""TLS served by the gate: what is asked of certificates, and how one is renewed while clients stay connected."""

import asyncio
import io
import random
import shutil
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from config.errors import ConfigurationError
from config.settings import Listen
from proxy.clock import utc_now
from proxy.identity.principal import Role
from proxy.serving.tls import ServerTls, load_identity
from scanning.oci.digest import Digest
from scanning.oci.names import Repository
from tests.certificates import Authority
from tests.proxy.conftest import StartFace
from tests.proxy.face import Face, basic

BOTH_EVENT_LOOPS = True
ASK = b"GET /healthz HTTP/1.1\r\nHost: gate\r\n\r\n"


@pytest.fixture
def authority() -> Authority:
    return Authority.make()


@pytest.fixture
def listen(authority: Authority, tmp_path: Path) -> Listen:
    """Settings that name a good pair."""
    certificate, key = authority.issue(tmp_path, "127.0.0.1")
    return Listen(port=0, tls_cert_file=str(certificate), tls_key_file=str(key))


def trusting(authority: Authority, pair: tuple[Path, Path] | None = None) -> ssl.SSLContext:
    """A client that believes one authority, and shows a certificate of its own if it has one."""
    context = ssl.create_default_context(cadata=authority.pem.decode())
    if pair is not None:
        context.load_cert_chain(*pair)
    return context


class Line:
    """One TLS connection to a face."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @property
    def serial(self) -> int:
        """Of the certificate that was shown."""
        shown: ssl.SSLObject = self._writer.get_extra_info("ssl_object")
        return x509.load_der_x509_certificate(shown.getpeercert(binary_form=True) or b"").serial_number

    @property
    def protocols(self) -> tuple[str | None, str | None]:
        """The version of TLS, and what is spoken over it."""
        shown: ssl.SSLObject = self._writer.get_extra_info("ssl_object")
        return shown.version(), shown.selected_alpn_protocol()

    async def ask(self) -> bytes:
        """One request and its answer."""
        self._writer.write(ASK)
        return await self._reader.readuntil(b"}")


@asynccontextmanager
async def line(face: Face, context: ssl.SSLContext) -> AsyncIterator[Line]:
    reader, writer = await asyncio.open_connection(face.host, face.port, ssl=context, server_hostname="127.0.0.1")
    try:
        yield Line(reader, writer)
    finally:
        writer.transport.abort()


async def test_requests_are_answered_over_tls(start_face: StartFace, listen: Listen, authority: Authority) -> None:
    async with start_face(listen=listen) as face:
        context = trusting(authority)
        context.set_alpn_protocols(["h2", "http/1.1"])
        async with line(face, context) as here:
            assert (await here.ask()).startswith(b"HTTP/1.1 200 ")
            assert here.protocols == ("TLSv1.3", "http/1.1")


@pytest.mark.parametrize("is_file", [False, True])
async def test_a_large_blob_comes_whole_over_tls(
    start_face: StartFace, listen: Listen, authority: Authority, tmp_path: Path, *, is_file: bool
) -> None:
    content = random.Random(1).randbytes(8 << 20)  # noqa: S311  # a test that can be repeated
    async with start_face(listen=listen) as face:
        _, token = await face.new_token(Role.DEVELOPER, "team/**")
        digest = face.blob(content)
        if is_file:
            (tmp_path / "blob").write_bytes(content)
            face.upstream.files[digest] = tmp_path / "blob"
        address = f"https://127.0.0.1:{face.port}/v2/team/app/blobs/{digest}"
        headers = {"Authorization": basic(token)}
        async with face.session.get(address, headers=headers, ssl=trusting(authority)) as answer:
            assert answer.status == 200
            assert await answer.read() == content


async def test_a_large_upload_comes_whole_over_tls(start_face: StartFace, listen: Listen, authority: Authority) -> None:
    content = random.Random(2).randbytes(8 << 20)  # noqa: S311  # a test that can be repeated
    digest = Digest.of(content)
    async with start_face(listen=listen) as face:
        _, token = await face.new_token(Role.DEVELOPER, "team/**")
        address = f"https://127.0.0.1:{face.port}/v2/team/app/blobs/uploads/?digest={digest}"
        headers = {"Authorization": basic(token), "Content-Type": "application/octet-stream"}
        body = io.BytesIO(content)
        async with face.session.post(address, data=body, headers=headers, ssl=trusting(authority)) as answer:
            assert answer.status == 201
    assert face.upstream.blobs == {(Repository("team/app"), digest): content}


async def test_an_old_tls_is_not_spoken(start_face: StartFace, listen: Listen, authority: Authority) -> None:
    async with start_face(listen=listen.model_copy(update={"tls_minimum_version": "1.3"})) as face:
        context = trusting(authority)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises((ssl.SSLError, ConnectionError)):
            async with line(face, context):
                pass


async def test_a_client_that_must_show_a_certificate_is_asked_for_one(
    start_face: StartFace, listen: Listen, authority: Authority, tmp_path: Path
) -> None:
    clients, strangers = Authority.make("clients"), Authority.make("strangers")
    (tmp_path / "clients.pem").write_bytes(clients.pem)
    pairs = []
    for issuer, name in ((clients, "ours"), (strangers, "theirs")):
        (tmp_path / name).mkdir()
        pairs.append(issuer.issue(tmp_path / name, name))
    strict = listen.model_copy(update={"tls_client_ca_file": str(tmp_path / "clients.pem")})
    async with start_face(listen=strict) as face:
        async with line(face, trusting(authority, pairs[0])) as here:
            assert (await here.ask()).startswith(b"HTTP/1.1 200 ")
        for pair in (None, pairs[1]):
            # TLS 1.3 tells a client of its refusal with the first answer only.
            with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
                async with line(face, trusting(authority, pair)) as here:
                    await here.ask()


async def test_t72_a_handshake_that_does_not_come_is_not_waited_for(start_face: StartFace, listen: Listen) -> None:
    async with start_face(listen=listen, network={"header_timeout_seconds": 0.2}) as face:
        assert await face.raw(b"") == b""
        assert await face.raw(b"\x16\x03\x01\x02\x00\x01") == b""


async def test_plain_http_on_a_tls_port_is_a_closed_connection(start_face: StartFace, listen: Listen) -> None:
    async with start_face(listen=listen) as face:
        assert b"HTTP/1.1 200" not in await face.raw(ASK)


async def test_a_renewed_certificate_is_shown_to_new_connections_and_old_ones_go_on(
    start_face: StartFace, listen: Listen, authority: Authority, tmp_path: Path
) -> None:
    async with start_face(listen=listen) as face:
        tls = face.services.tls
        assert tls is not None
        watching = asyncio.create_task(tls.watch(0.01))
        async with line(face, trusting(authority)) as old:
            authority.issue(tmp_path, "127.0.0.1")
            for _ in range(1000):
                async with line(face, trusting(authority)) as new:
                    if new.serial != old.serial:
                        break
                await asyncio.sleep(0.01)
            assert new.serial != old.serial
            assert (await old.ask()).startswith(b"HTTP/1.1 200 ")
        watching.cancel()


async def test_a_broken_new_pair_is_refused_the_old_one_stays_and_the_operator_is_told(
    start_face: StartFace, listen: Listen, authority: Authority, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    _, other_key = authority.issue(tmp_path / "other", "127.0.0.1")
    async with start_face(listen=listen) as face:
        tls = face.services.tls
        assert tls is not None
        async with line(face, trusting(authority)) as before:
            shutil.copy(other_key, listen.tls_key_file)
            await tls.reload()
            async with line(face, trusting(authority)) as after:
                assert after.serial == before.serial
        (told,) = [warning for warning in tls.warnings() if "stays in use" in warning]
        assert "is not the key of the certificate" in told
        shutil.copy(tmp_path / "other" / "server.pem", listen.tls_cert_file)
        await tls.reload()
        assert not any("stays in use" in warning for warning in tls.warnings())
        async with line(face, trusting(authority)) as renewed:
            assert renewed.serial != before.serial


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("tls_cert_file", None, "server.pem cannot be read: No such file or directory"),
        ("tls_cert_file", b"no certificate", "server.pem does not begin with a PEM certificate"),
        ("tls_key_file", None, "server.key cannot be read: No such file or directory"),
        ("tls_key_file", b"no key", "cannot be used together"),
        ("tls_client_ca_file", None, "clients.pem cannot be read: No such file or directory"),
        ("tls_client_ca_file", b"no certificate", "clients.pem holds no PEM certificate that can be read"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_with_its_name(
    listen: Listen, authority: Authority, tmp_path: Path, file: str, content: bytes | None, message: str
) -> None:
    (tmp_path / "clients.pem").write_bytes(authority.pem)
    strict = listen.model_copy(update={"tls_client_ca_file": str(tmp_path / "clients.pem")})
    load_identity(strict)
    path = Path(getattr(strict, file))
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=message) as caught:
        load_identity(strict)
    assert caught.value.problems[0].location == ("listen", file)


def test_a_key_with_a_passphrase_is_refused_and_nobody_is_asked_for_it(listen: Listen) -> None:
    path = Path(listen.tls_key_file)
    key = load_pem_private_key(path.read_bytes(), None)
    encrypted = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"hunter2"))
    path.write_bytes(encrypted)
    with pytest.raises(ConfigurationError, match="it is encrypted; write it without a passphrase"):
        load_identity(listen)


@pytest.mark.parametrize(
    ("passed", "expected"), [(timedelta(0), "expires on"), (timedelta(days=2), "has expired on"), (-timedelta(30), "")]
)
def test_the_operator_is_told_before_a_certificate_ends(listen: Listen, passed: timedelta, expected: str) -> None:
    def clock() -> datetime:
        return utc_now() + passed

    said = " ".join(ServerTls(listen, clock).warnings())
    assert (expected in said) if expected else said == ""
