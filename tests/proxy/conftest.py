"""A database, and the HTTP face of the gate on simulators; both event loops in use are tried."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from config.defaults import Profile
from config.settings import Settings
from proxy.clock import utc_now
from proxy.denials import Denials
from proxy.gate.advisories import AdvisoryDesk
from proxy.gate.policy import PolicyFile, write_profile
from proxy.gate.replay import Replay
from proxy.identity.principal import Role
from proxy.server import listening
from proxy.services import Parts, assemble
from proxy.serving.tls import ServerTls
from storage.audit_spool import AuditSpool
from storage.database import Database
from storage.snapshots import Snapshots
from tests.proxy.face import Face, Time
from tests.simulators import MemoryGate, MemoryUpstream

StartFace = Callable[..., AbstractAsyncContextManager[Face]]


@pytest.fixture
def time() -> Time:
    """The time everything goes by."""
    return Time()


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    """An empty database."""
    opened = await Database.open(f"sqlite+aiosqlite:///{tmp_path / 'gate.sqlite3'}")
    yield opened
    await opened.close()


@pytest.fixture
def start_face(database: Database, time: Time, tmp_path: Path) -> StartFace:
    """Start a face with settings of one's own, on the same database as often as one likes, and on the same upstream
    unless it is given another one.
    """
    memory = MemoryUpstream()

    async def no_warnings() -> tuple[str, ...]:
        return ()

    async def workers_live() -> None:
        return

    @asynccontextmanager
    async def start(upstream: MemoryUpstream = memory, **overrides: object) -> AsyncIterator[Face]:
        values = {"state_dir": tmp_path, "public_url": "http://gate.example", "listen": {"port": 0}, **overrides}
        gate = MemoryGate(upstream)
        settings = Settings(**values)
        tls = ServerTls(settings.listen, utc_now) if settings.listen.tls_cert_file else None
        spool = AuditSpool(tmp_path / "audit", database, settings.audit.spool_bytes)
        denials = Denials(
            spool.append,
            most=settings.throttle.refusals,
            seconds=settings.throttle.window_seconds,
            monotonic=time.monotonic,
        )
        if not (tmp_path / "policy.yaml").exists():
            write_profile(Profile.EVALUATION, tmp_path / "policy.yaml")
        policy = PolicyFile(tmp_path / "policy.yaml")
        replay = Replay(database, AdvisoryDesk(Snapshots(tmp_path / "advisories")))
        parts = Parts(
            database, upstream, gate, workers_live, workers_live, denials, no_warnings, policy, replay, tls=tls
        )
        services = await assemble(settings, parts, clock=time.now, monotonic=time.monotonic)
        async with listening(services) as (host, port), aiohttp.ClientSession(auto_decompress=False) as session:
            yield Face(host, port, services, upstream, gate, time, session, spool)
        await services.close()
        await spool.close()

    return start


@pytest.fixture
async def face(start_face: StartFace) -> AsyncIterator[Face]:
    """A running face, and a developer of team/** to call it as."""
    async with start_face() as started:
        started.grant, started.token = await started.new_token(Role.DEVELOPER, "team/**", name="ci")
        yield started
