"""Requests that are like those of a moment ago are answered without being read; never when they must not be."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pytest
import pytest_asyncio
from aiohttp import web

from config.patterns import RepositoryPattern
from config.settings import Settings
from proxy.clock import utc_now
from proxy.connection import Connection as ServerConnection
from proxy.gate.advisories import AdvisoryDesk
from proxy.gate.replay import Replay
from proxy.identity import tokens
from proxy.identity.authenticate import Client
from proxy.identity.credentials import BearerCredential
from proxy.identity.principal import Caller, Role
from proxy.identity.scopes import Access
from proxy.identity.tokens import NewGrant
from proxy.server import listening
from proxy.services import Parts, Services, assemble
from proxy.serving.tls import ServerTls
from proxy.upstream.port import StoredManifest
from scanning.oci.digest import Digest
from scanning.oci.names import Reference, Repository
from storage.audit import AuditRecord, Event
from storage.errors import StorageUnavailableError
from storage.snapshots import Snapshots
from tests.certificates import Authority
from tests.images import debian, image
from tests.proxy.face import ADMINISTRATOR, basic
from tests.proxy.gate.world import World, policy_text, wants_signature
from tests.scanning.advisories.records import advisory, affected, fixed

pytestmark = pytest.mark.asyncio(loop_scope="session")

CLEAN = image(debian())
BALANCED = {"network": {"proxy_protocol_from": ("127.0.0.0/8",)}}
FORWARDED = {"network": {"trusted_proxies": ("127.0.0.0/8",)}}


Faster = Callable[..., list[bool]]
"""Makes the next client faster; gives whether its connection was busy each time when something had arrived."""


@dataclass
class Answered:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class Connection:
    """A client's connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def ask(self, *parts: bytes) -> Answered:
        """Send a request, in parts that arrive one by one; read its answer."""
        for part in parts:
            self.writer.write(part)
            await self.writer.drain()
            await asyncio.sleep(0.02 if len(parts) > 1 else 0)
        return await self.answer(head=parts[0].startswith(b"HEAD"))

    async def answer(self, *, head: bool = False) -> Answered:
        """The next answer."""
        async with asyncio.timeout(60):
            lines = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = dict(line.split(": ", 1) for line in lines[1:] if line)
            body = b"" if head else await self.reader.readexactly(int(headers.get("Content-Length", 0)))
        return Answered(int(lines[0].split(" ")[1]), headers, body)


@dataclass
class Served:
    """A gate that listens, and one image in it. `read` counts the requests that took the ordinary way."""

    world: World
    services: Services
    host: str
    port: int
    grant: str
    token: str
    read: list[Reference] = field(default_factory=list)
    trusted: ssl.SSLContext | None = None

    @property
    def bearer(self) -> str:
        """A bearer token for the image."""
        return f"Bearer {self.token_of(self.grant)}"

    async def other(self, name: str, *patterns: str, role: Role = Role.OPERATOR) -> tuple[str, str]:
        """Another grant's id, and a bearer token of it for the image's repository, which it may cover or not."""
        new = NewGrant(name, role, tuple(map(RepositoryPattern, patterns)))
        grant, _ = await tokens.create(self.world.database, new, ADMINISTRATOR, self.world.time.now())
        await self.services.authenticator.authenticate(BearerCredential(self.token_of(grant.id)), Client("", ""))
        return grant.id, f"Bearer {self.token_of(grant.id)}"

    def token_of(self, grant: str, *, repository: str = "") -> str:
        """A fresh bearer token of a grant."""
        name = repository or str(self.world.repository)
        access = Access.from_claim([{"type": "repository", "name": name, "actions": ["pull"]}])
        return self.services.bearer.issue(grant, access).text

    def head(
        self,
        *lines: str,
        method: str = "GET",
        version: str = "1.1",
        authorization: str = "",
        digest: Digest | None = None,
    ) -> bytes:
        """A request for the image, or another."""
        first = f"{method} /v2/{self.world.repository}/manifests/{digest or CLEAN.digest} HTTP/{version}"
        asked = [first, "Host: gate", f"Authorization: {authorization or self.bearer}", *lines]
        return ("\r\n".join(asked) + "\r\n\r\n").encode()

    @asynccontextmanager
    async def connected(self, preface: bytes = b"") -> AsyncIterator[Connection]:
        """A connection to it."""
        reader, writer = await asyncio.open_connection(
            self.host, self.port, ssl=self.trusted, server_hostname="localhost" if self.trusted else None
        )
        writer.write(preface)
        try:
            yield Connection(reader, writer)
        finally:
            writer.close()

    async def warm(self, connection: Connection, head: bytes) -> Answered:
        """Ask until the answer is remembered; gives the last one. Nothing is counted of it."""
        answers = [await connection.ask(head) for _ in range(3)]
        self.read.clear()
        return answers[-1]

    async def pulls(self) -> list[AuditRecord]:
        """What is on record of pulls."""
        return [record for record in await self.world.audited() if record.event is Event.PULL]


class Serve(Protocol):
    """Starts a face of the world's gate."""

    def __call__(self, **settings: Any) -> AbstractAsyncContextManager[Served]: ...


@pytest.fixture
def serve(small_world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Serve:
    """A gate with settings of one's own."""
    world = small_world

    async def no_warnings() -> tuple[str, ...]:
        return ()

    async def fine() -> None:
        return

    @asynccontextmanager
    async def start(**settings: Any) -> AsyncIterator[Served]:
        values = {"state_dir": tmp_path, "public_url": "http://gate.example", "listen": {"port": 0}, **settings}
        configured = Settings(**values)
        tls = ServerTls(configured.listen, utc_now) if configured.listen.tls_cert_file else None
        replay = Replay(world.database, AdvisoryDesk(Snapshots(tmp_path / "advisories")))
        parts = Parts(
            world.database,
            world.upstream,
            world.gate,
            fine,
            fine,
            world.denials,
            no_warnings,
            world.policy,
            replay,
            tls=tls,
        )
        services = await assemble(configured, parts, clock=world.time.now, monotonic=world.time.monotonic)
        new = NewGrant("cluster", Role.OPERATOR, (RepositoryPattern("**"),))
        grant, token = await tokens.create(world.database, new, ADMINISTRATOR, world.time.now())
        await world.push(CLEAN)
        async with listening(services) as (host, port):
            served = Served(world, services, host, port, grant.id, token.text)
            pull = world.gate.pull_manifest

            async def counted(
                caller: Caller, repository: Repository, reference: Reference, *, head: bool
            ) -> StoredManifest:
                served.read.append(reference)
                return await pull(caller, repository, reference, head=head)

            with monkeypatch.context() as patch:
                patch.setattr(world.gate, "pull_manifest", counted)
                yield served
        await services.close()

    return start


@pytest_asyncio.fixture(loop_scope="session")
async def served(serve: Serve) -> AsyncIterator[Served]:
    """A gate as it is without settings."""
    async with serve() as started:
        yield started


@pytest.fixture
def faster(monkeypatch: pytest.MonkeyPatch) -> Faster:
    """Has pieces of a next request arrive as soon as an answer is sent, before aiohttp's own loop goes on."""

    def client(*pieces: bytes) -> list[bool]:
        was_busy: list[bool] = []
        coming = list(pieces)
        handle = web.RequestHandler._handle_request

        async def handle_and_receive(connection: ServerConnection, *request: Any) -> tuple[web.StreamResponse, bool]:
            done = await handle(connection, *request)
            while coming:
                asyncio.get_running_loop().call_soon(receive, connection, coming.pop(0))
            return done

        def receive(connection: ServerConnection, piece: bytes) -> None:
            connection.data_received(piece)
            was_busy.append(connection.is_busy)

        monkeypatch.setattr(web.RequestHandler, "_handle_request", handle_and_receive)
        return was_busy

    return client


class TestFasterClients:
    @pytest.mark.parametrize("cut", [None, 1, 40, -2])
    async def test_one_that_asks_before_the_gate_waits_is_answered_the_short_way(
        self, served: Served, faster: Faster, cut: int | None
    ) -> None:
        head = served.head()
        async with served.connected() as client:
            await served.warm(client, head)
            was_busy = faster(head) if cut is None else faster(head[:cut], head[cut:])
            first = await client.ask(served.head("X-Request-ID: named"))
            second = await client.answer()

        assert first.headers["X-Request-ID"] == "named"
        assert (second.status, second.body) == (200, CLEAN.manifest)
        assert len(served.read) == 1
        assert set(was_busy) == {True}

    async def test_what_it_sends_ahead_is_answered_in_its_order(self, served: Served, faster: Faster) -> None:
        head, named = served.head(), [served.head(f"X-Request-ID: {name}") for name in ("one", "two", "three")]
        async with served.connected() as client:
            await served.warm(client, head)
            faster(named[1], named[2] + head)
            answers = [await client.ask(named[0]), *[await client.answer() for _ in range(3)]]

        assert [answer.headers["X-Request-ID"] for answer in answers[:3]] == ["one", "two", "three"]
        assert answers[3].body == CLEAN.manifest

    async def test_one_that_is_gone_by_then_is_not_recorded(self, served: Served, faster: Faster) -> None:
        head = served.head()
        async with served.connected() as client:
            await served.warm(client, head)
            before = await served.pulls()
            faster(head)
            gone = ServerConnection._take_postponed

            def lost(connection: ServerConnection) -> None:
                connection.connection_lost(None)
                gone(connection)

            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(ServerConnection, "_take_postponed", lost)
                await client.ask(served.head("X-Request-ID: last"))
                async with asyncio.timeout(60):
                    assert await client.reader.read() == b""

        assert len(await served.pulls()) == len(before) + 1

    async def test_the_first_request_of_a_connection_is_as_good_as_any(
        self, served: Served, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        head = served.head()
        async with served.connected() as client:
            await served.warm(client, head)
        made = ServerConnection.connection_made

        def made_and_asked(connection: ServerConnection, transport: asyncio.BaseTransport) -> None:
            made(connection, transport)
            connection.data_received(head)

        monkeypatch.setattr(ServerConnection, "connection_made", made_and_asked)
        async with served.connected() as client:
            answer = await client.answer()

        assert answer.body == CLEAN.manifest
        assert served.read == []


class TestAnswered:
    async def test_it_is_the_same_answer_under_another_id(self, served: Served) -> None:
        head = served.head()
        async with served.connected() as client:
            usual = await client.ask(head)
            await served.warm(client, head)
            again = await client.ask(head)

        assert served.read == []
        assert (again.status, again.body) == (200, CLEAN.manifest)
        assert {name for name in usual.headers if again.headers[name] != usual.headers[name]} <= {
            "Date",
            "X-Request-ID",
        }
        assert again.headers.keys() == usual.headers.keys()
        assert again.headers["X-Request-ID"] != usual.headers["X-Request-ID"]

    async def test_each_is_counted_and_recorded(self, served: Served) -> None:
        head = served.head()
        async with served.connected() as client:
            for _ in range(10):
                last = await client.ask(head)

        pulls = await served.pulls()
        assert sum(record.times for record in pulls) == 10
        assert {(record.actor, record.address, record.outcome) for record in pulls} == {
            ("cluster", "127.0.0.1", "served")
        }
        assert {record.digest for record in pulls} == {str(CLEAN.digest)}
        assert len({record.request_id for record in pulls}) == len(pulls) < 10
        counted = (
            b'imagegate_requests_total{method="GET",route="/v2/{repository}/manifests/{reference}",status="200"} 10.0'
        )
        assert counted in served.services.metrics.text()
        assert last.body == CLEAN.manifest

    async def test_head_has_no_body_and_no_record(self, served: Served) -> None:
        head = served.head(method="HEAD")
        async with served.connected() as client:
            await served.warm(client, head)
            said = await client.ask(head)
            after = await client.ask(served.head())

        assert said.headers["Content-Length"] == str(len(CLEAN.manifest))
        assert after.body == CLEAN.manifest
        assert len(served.read) == 1
        assert sum(record.times for record in await served.pulls()) == 1

    async def test_for_as_long_as_it_is_asked_for(self, served: Served) -> None:
        head = served.head()
        async with served.connected() as client:
            await served.warm(client, head)
            for _ in range(5):
                await served.world.wait(3)
                assert (await client.ask(head)).status == 200
                await served.world.looked_ahead()
        assert served.read == []

    async def test_from_the_second_time_on(self, served: Served) -> None:
        head = served.head()
        async with served.connected() as client:
            for _ in range(3):
                await client.ask(head)
        assert len(served.read) == 2

    async def test_over_tls_as_well(self, serve: Serve, tmp_path: Path) -> None:
        authority = Authority.make()
        certificate, key = authority.issue(tmp_path, "localhost")
        async with serve(listen={"port": 0, "tls_cert_file": str(certificate), "tls_key_file": str(key)}) as served:
            served.trusted = ssl.create_default_context(cadata=authority.pem.decode())
            head = served.head()
            async with served.connected() as client:
                await served.warm(client, head)
                assert (await client.ask(head)).body == CLEAN.manifest
            assert served.read == []

    async def test_many_connections_at_once_get_their_own(self, served: Served) -> None:
        head = served.head()

        async def client() -> list[str]:
            async with served.connected() as one:
                return [(await one.ask(head)).headers["X-Request-ID"] for _ in range(20)]

        ids = [name for names in await asyncio.gather(*(client() for _ in range(8))) for name in names]
        assert len(set(ids)) == 160
        assert sum(record.times for record in await served.pulls()) == 160
        assert {record.request_id for record in await served.pulls()} <= set(ids)


class TestRefused:
    async def test_t8_a_revoked_grant_ends_within_five_seconds(self, served: Served) -> None:
        head = served.head()
        async with served.connected() as client:
            await served.warm(client, head)
            await tokens.revoke(served.world.database, served.grant, ADMINISTRATOR, served.world.time.now())
            await served.world.wait(5)
            assert (await client.ask(head)).status == 401

    async def test_a_bearer_token_ends_when_it_expires(self, served: Served) -> None:
        head = served.head()
        async with served.connected() as client:
            await served.world.wait(served.services.settings.tokens.lifetime_seconds + 28)
            await served.warm(client, head)
            await served.world.wait(1.9)
            assert (await client.ask(head)).status == 200
            assert served.read == []
            await served.world.wait(0.2)
            assert (await client.ask(head)).status == 401

    async def test_another_policy_holds_at_once(self, served: Served) -> None:
        head = served.head()
        async with served.connected() as client:
            await served.warm(client, head)
            await served.world.change_policy(policy_text(require=wants_signature()))
            assert (await client.ask(head)).status == 403

    async def test_new_advisories_are_asked_at_once(self, served: Served) -> None:
        head = served.head()
        async with served.connected() as client:
            await served.warm(client, head)
            harmless = advisory("DSA-1-1", affected("Debian:12", "zlib", fixed("1:1.2")))
            snapshot = await served.world.publish_advisories(harmless)
            await client.ask(head)
        assert (await served.world.verdict(CLEAN.digest)).inputs.snapshot == snapshot.digest

    async def test_other_approvals_hold_at_once(self, served: Served) -> None:
        world, head = served.world, served.head()
        async with served.connected() as client:
            await served.warm(client, head)
            without = await world.verdict(CLEAN.digest)
            approval = await world.approve_packages("pkg:pypi/requests@2.32.0")
            await client.ask(head)
            with_it = await world.verdict(CLEAN.digest)
            await served.warm(client, head)
            await world.revoke(approval)
            await client.ask(head)
            after = await world.verdict(CLEAN.digest)
        assert without.inputs.approvals is None
        assert with_it.inputs.approvals is not None
        assert after.inputs.approvals is None
        assert len({without.id, with_it.id, after.id}) == 3

    async def test_what_is_deleted_is_gone_at_once(self, served: Served) -> None:
        head = served.head()
        async with served.connected() as client:
            await served.warm(client, head)
            await served.world.delete(CLEAN.digest)
            assert (await client.ask(head)).status == 404

    async def test_what_cannot_be_recorded_is_not_served(self, served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
        head = served.head()

        def full(_: bytes) -> None:
            raise StorageUnavailableError("the disk is full")

        async with served.connected() as client:
            await served.warm(client, head)
            with monkeypatch.context() as patch:
                patch.setattr(served.world.spool, "append_lines", full)
                assert (await client.ask(head)).status == 503
            assert (await client.ask(head)).status == 200

    async def test_a_gate_that_drains_sends_clients_elsewhere(self, served: Served) -> None:
        head = served.head()
        async with served.connected() as client:
            await served.warm(client, head)
            served.services.readiness.drain()
            last = await client.ask(head)
            assert last.headers["Connection"] == "close"
            assert await client.reader.read() == b""


class TestPutTogether:
    """Heads that are new as a whole, of parts that are not."""

    async def test_another_token_of_a_moment_ago_will_do(self, served: Served) -> None:
        async with served.connected() as client:
            await served.warm(client, served.head())
            for _ in range(3):
                assert (await client.ask(served.head(authorization=served.bearer))).body == CLEAN.manifest
        assert served.read == []
        assert sum(record.times for record in await served.pulls()) == 6

    async def test_each_is_on_record_as_who_it_is(self, served: Served) -> None:
        _, bearer = await served.other("another cluster", "**")
        async with served.connected() as client:
            await served.warm(client, served.head())
            await client.ask(served.head(authorization=bearer))
        assert served.read == []
        times = dict.fromkeys(("cluster", "another cluster"), 0)
        for record in await served.pulls():
            times[record.actor] += record.times
        assert times == {"cluster": 3, "another cluster": 1}

    async def test_who_was_told_of_one_image_may_ask_for_another_that_is_known(self, served: Served) -> None:
        other = image(debian(), env=("PATH=/bin",))
        await served.world.push(other)
        first, second = served.bearer, served.bearer
        async with served.connected() as client:
            await served.warm(client, served.head(authorization=first))
            await served.warm(client, served.head(authorization=first, digest=other.digest))
            answers = [
                await client.ask(served.head(authorization=second, digest=each.digest)) for each in (CLEAN, other)
            ]
        assert [answer.body for answer in answers] == [CLEAN.manifest, other.manifest]
        assert [answer.headers["Docker-Content-Digest"] for answer in answers] == [str(CLEAN.digest), str(other.digest)]
        assert served.read == []

    async def test_head_and_get_are_told_apart(self, served: Served) -> None:
        async with served.connected() as client:
            await served.warm(client, served.head())
            await served.warm(client, served.head(method="HEAD"))
            said = await client.ask(served.head(method="HEAD", authorization=served.bearer))
            got = await client.ask(served.head(authorization=served.bearer))
        assert (said.body, said.headers["Content-Length"]) == (b"", str(len(CLEAN.manifest)))
        assert got.body == CLEAN.manifest
        assert served.read == []

    async def test_t7_a_token_for_another_repository_is_refused(self, served: Served) -> None:
        elsewhere = f"Bearer {served.token_of(served.grant, repository='somewhere/else')}"
        async with served.connected() as client:
            await served.warm(client, served.head())
            assert (await client.ask(served.head(authorization=elsewhere))).status == 401

    async def test_t7_a_grant_for_other_repositories_is_refused_whatever_its_token_says(self, served: Served) -> None:
        _, bearer = await served.other("stranger", "somewhere/else/**")
        async with served.connected() as client:
            await served.warm(client, served.head())
            assert (await client.ask(served.head(authorization=bearer))).status == 403

    async def test_t8_another_grant_that_ends_is_refused_within_five_seconds(self, served: Served) -> None:
        grant, _ = await served.other("another cluster", "**")
        async with served.connected() as client:
            await served.warm(client, served.head())
            await tokens.revoke(served.world.database, grant, ADMINISTRATOR, served.world.time.now())
            await served.world.wait(5)
            assert (await client.ask(served.head(authorization=f"Bearer {served.token_of(grant)}"))).status == 401

    async def test_a_token_that_has_expired_is_refused(self, served: Served) -> None:
        old = served.bearer
        async with served.connected() as client:
            await served.world.wait(served.services.settings.tokens.lifetime_seconds + 31)
            await served.warm(client, served.head())
            assert (await client.ask(served.head(authorization=old))).status == 401

    async def test_t3_a_known_token_with_another_signature_is_refused(self, served: Served) -> None:
        start, _, signature = served.bearer.rpartition(".")
        forged = f"{start}.{signature[::-1]}"
        async with served.connected() as client:
            await served.warm(client, served.head())
            assert (await client.ask(served.head(authorization=forged))).status == 401

    async def test_t11_a_second_credential_is_refused(self, served: Served) -> None:
        async with served.connected() as client:
            await served.warm(client, served.head())
            assert (await client.ask(served.head(f"Authorization: {served.bearer}"))).status == 400

    async def test_another_policy_holds_for_them_at_once(self, served: Served) -> None:
        async with served.connected() as client:
            await served.warm(client, served.head())
            await served.world.change_policy(policy_text(require=wants_signature()))
            assert (await client.ask(served.head(authorization=served.bearer))).status == 403

    async def test_what_is_deleted_is_gone_for_them_at_once(self, served: Served) -> None:
        async with served.connected() as client:
            await served.warm(client, served.head())
            await served.world.delete(CLEAN.digest)
            assert (await client.ask(served.head(authorization=served.bearer))).status == 404

    @pytest.mark.parametrize("line", ["Accept: text/plain", "X-Forwarded-For: 192.0.2.1", "Connection: close"])
    async def test_a_line_that_is_new_is_read(self, served: Served, line: str) -> None:
        async with served.connected() as client:
            await served.warm(client, served.head())
            assert (await client.ask(served.head(line, authorization=served.bearer))).body == CLEAN.manifest
        assert len(served.read) == 1

    async def test_t26_a_proxy_s_word_for_one_client_is_none_for_another(self, serve: Serve) -> None:
        async with serve(**FORWARDED) as served, served.connected() as client:
            for number in (7, 7, 8, 7, 8, 9, 8, 9, 7):
                line = f"X-Forwarded-For: 198.51.100.{number}"
                await client.ask(served.head(line, authorization=served.bearer))
            times = dict.fromkeys((f"198.51.100.{number}" for number in (7, 8, 9)), 0)
            for record in await served.pulls():
                times[record.address] += record.times
            assert times == {"198.51.100.7": 4, "198.51.100.8": 3, "198.51.100.9": 2}
            assert len(served.read) == 4

    async def test_they_are_counted(self, served: Served) -> None:
        async with served.connected() as client:
            await served.warm(client, served.head())
            for _ in range(3):
                await client.ask(served.head(authorization=served.bearer))
        assert b"imagegate_requests_recalled_total 4.0" in served.services.metrics.text()


class TestReadAnew:
    async def test_another_client_is_another_client_though_it_asks_the_same(self, serve: Serve) -> None:
        async with serve(**BALANCED) as served:
            head = served.head()
            for address in ("192.0.2.7", "192.0.2.8"):
                async with served.connected(f"PROXY TCP4 {address} 10.0.0.1 4711 443\r\n".encode()) as client:
                    for _ in range(4):
                        await client.ask(head)
            times = dict.fromkeys(("192.0.2.7", "192.0.2.8"), 0)
            for record in await served.pulls():
                times[record.address] += record.times
            assert times == {"192.0.2.7": 4, "192.0.2.8": 4}

    async def test_whom_a_proxy_speaks_for_is_on_record(self, serve: Serve) -> None:
        async with serve(**FORWARDED) as served, served.connected() as client:
            authorization = served.bearer
            for number in (7, 8, 7, 8, 7, 8, 7, 8):
                line = f"X-Forwarded-For: 198.51.100.{number}"
                await client.ask(served.head(line, authorization=authorization))
            times = {"198.51.100.7": 0, "198.51.100.8": 0}
            for record in await served.pulls():
                times[record.address] += record.times
            assert times == {"198.51.100.7": 4, "198.51.100.8": 4}
            assert len(served.read) < 8

    async def test_a_made_up_token_is_refused(self, served: Served) -> None:
        async with served.connected() as client:
            await served.warm(client, served.head())
            assert (await client.ask(served.head(authorization="Bearer made.up.token"))).status == 401

    async def test_a_password_is_looked_at_every_time(self, served: Served) -> None:
        head = served.head(authorization=basic(served.token))
        async with served.connected() as client:
            await served.warm(client, head)
            await client.ask(head)
        assert len(served.read) == 1

    async def test_a_request_that_names_itself_gets_its_name_back(self, served: Served) -> None:
        head = served.head("X-Request-ID: of-the-client")
        async with served.connected() as client:
            await served.warm(client, head)
            assert (await client.ask(head)).headers["X-Request-ID"] == "of-the-client"
        assert len(served.read) == 1

    async def test_a_head_in_two_parts_is_put_together(self, served: Served) -> None:
        head = served.head()
        async with served.connected() as client:
            await served.warm(client, head)
            assert (await client.ask(head[:40], head[40:])).body == CLEAN.manifest
            assert len(served.read) == 1
            assert (await client.ask(head)).body == CLEAN.manifest
            assert len(served.read) == 1

    async def test_a_known_head_behind_a_part_of_another_belongs_to_that(self, served: Served) -> None:
        head = served.head()
        async with served.connected() as client:
            await served.warm(client, head)
            said = await client.ask(b"GET /healthz HTTP/1.1\r\nX-Not-Ended: ", head)
            assert b"ok" in said.body
        assert served.read == []

    async def test_requests_one_behind_the_other_are_answered_in_their_order(self, served: Served) -> None:
        head = served.head()
        health = b"GET /healthz HTTP/1.1\r\nHost: gate\r\n\r\n"
        async with served.connected() as client:
            await served.warm(client, head)
            client.writer.write(head + health + head)
            client.writer.write(head)
            client.writer.write(health)
            kinds = [(await client.answer()).body == CLEAN.manifest for _ in range(5)]
        assert kinds == [True, False, True, True, False]

    async def test_a_known_head_as_the_body_of_another_request_is_no_request(self, served: Served) -> None:
        head = served.head()
        length = f"Content-Length: {len(head)}"
        async with served.connected() as client:
            await served.warm(client, head)
            assert (await client.ask(served.head(length), head)).status == 200
            assert (await client.ask(head)).status == 200
            client.writer.write_eof()
            assert await client.reader.read() == b""

    @pytest.mark.parametrize(("lines", "version"), [(("Connection: close",), "1.1"), ((), "1.0")])
    async def test_who_wants_the_connection_closed_gets_it_closed(
        self, served: Served, lines: tuple[str, ...], version: str
    ) -> None:
        head = served.head(*lines, version=version)
        for _ in range(4):
            async with served.connected() as client:
                assert (await client.ask(head)).body == CLEAN.manifest
                async with asyncio.timeout(60):
                    assert await client.reader.read() == b""
        assert len(served.read) == 4

    async def test_a_client_that_does_not_read_is_waited_for(
        self, served: Served, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made: list[ServerConnection] = []
        begin = ServerConnection.connection_made

        def noted(connection: ServerConnection, transport: asyncio.BaseTransport) -> None:
            made.append(connection)
            begin(connection, transport)

        monkeypatch.setattr(ServerConnection, "connection_made", noted)
        head = served.head()
        async with served.connected() as client:
            await served.warm(client, head)
            made[0].pause_writing()  # as its transport does when too much waits to be sent
            await client.ask(head)
            assert len(served.read) == 1
            made[0].resume_writing()
            await client.ask(head)
