"""Gates for the tests: before the embedded registry, before docker-registry, and before simulators.

One event loop and one inspection worker serve the whole session; everything else is new for every test.
"""

import math
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Protocol

import pytest
import pytest_asyncio

from config.settings import RecordQuota, Settings
from proxy.denials import Denials
from proxy.gate.advisories import AdvisoryDesk
from proxy.gate.approvals import ApprovalDesk
from proxy.gate.build import GateParts, build_gate
from proxy.gate.pace import UploadPace
from proxy.gate.policy import PolicyFile
from proxy.malware.scanner import MalwareScanner
from proxy.upstream.connection import RemoteOptions
from proxy.upstream.embedded import EmbeddedUpstream
from proxy.upstream.origin import Origin
from proxy.upstream.port import Upstream
from proxy.upstream.remote import RemoteUpstream
from proxy.upstream.retries import RetryPolicy
from storage.audit_spool import AuditSpool
from storage.content.filesystem import FilesystemContent
from storage.database import Database
from storage.snapshots import Snapshots
from tests.proxy.face import Time
from tests.proxy.gate.world import BUSY_RATE, PUBLIC_URL, REFUSE_SSH, WatchedPool, World, policy_text
from tests.registries import RealRegistry, docker_registry, fresh_repository

__all__ = ["docker_registry"]

FRESH = timedelta(seconds=Settings().registry.fresh_seconds)
"""How long it is believed that the upstream has a manifest that it had."""


class MakeWorld(Protocol):
    """Puts a gate before `upstream`, on a database of its own unless it shares `on` with others; its workers are those
    of the session, or of `with_pool`.
    """

    def __call__(
        self,
        upstream: Upstream,
        on: Database | None = None,
        *,
        observes_uploads: bool = True,
        with_pool: WatchedPool | None = None,
        busy_upload_rate: float = math.inf,
        scanner: MalwareScanner | None = None,
        rescan_every: timedelta = timedelta(0),
        record_quotas: Sequence[RecordQuota] = (),
        records_per_repository: int = Settings().registry.records_per_repository,
        most_denials: int = Settings().throttle.refusals,
    ) -> World: ...


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def session_pool() -> AsyncIterator[WatchedPool]:
    """One real worker."""
    pool = WatchedPool()
    await pool.start()
    yield pool
    await pool.close()


@pytest.fixture
def pool(session_pool: WatchedPool) -> Iterator[WatchedPool]:
    """The worker, with nothing counted yet and nothing held up."""
    session_pool.reset()
    yield session_pool
    session_pool.reset()


@pytest_asyncio.fixture(loop_scope="session")
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    """An empty database."""
    opened = await Database.open(f"sqlite+aiosqlite:///{tmp_path / 'gate.sqlite3'}")
    yield opened
    await opened.close()


@pytest_asyncio.fixture(loop_scope="session")
async def embedded(database: Database, tmp_path: Path) -> EmbeddedUpstream:
    """The embedded registry."""
    return EmbeddedUpstream(database, FilesystemContent(tmp_path / "content"))


@pytest_asyncio.fixture(loop_scope="session")
async def remote(docker_registry: RealRegistry) -> AsyncIterator[RemoteUpstream]:
    """The remote adapter before docker-registry."""
    upstream = RemoteUpstream(RemoteOptions(Origin.parse(docker_registry.url), retry=RetryPolicy(3)))
    yield upstream
    await upstream.close()


@pytest.fixture
def make_world(database: Database, pool: WatchedPool, time: Time, tmp_path: Path) -> MakeWorld:
    """A gate before any upstream. Its policy refuses ssh; there are no advisories."""

    def make(
        upstream: Upstream,
        on: Database | None = None,
        *,
        observes_uploads: bool = True,
        with_pool: WatchedPool | None = None,
        busy_upload_rate: float = math.inf,
        scanner: MalwareScanner | None = None,
        rescan_every: timedelta = timedelta(0),
        record_quotas: Sequence[RecordQuota] = (),
        records_per_repository: int = Settings().registry.records_per_repository,
        most_denials: int = Settings().throttle.refusals,
    ) -> World:
        opened, workers = on or database, with_pool or pool
        path = tmp_path / "policy.yaml"
        if not path.exists():
            path.write_text(policy_text(deny=REFUSE_SSH))
        policy, snapshots = PolicyFile(path), Snapshots(tmp_path / "advisories")
        desk, approvals = AdvisoryDesk(snapshots), ApprovalDesk(opened)
        spool = AuditSpool(tmp_path / "audit", opened, 1 << 20)
        denials = Denials(spool.append, most=most_denials, seconds=60, monotonic=time.monotonic)
        parts = GateParts(
            opened,
            upstream,
            workers,
            policy,
            desk,
            approvals,
            time.now,
            PUBLIC_URL,
            spool,
            denials,
            time.monotonic,
            observes_uploads,
            UploadPace(busy_upload_rate, time.monotonic),
            FRESH,
            scanner,
            rescan_every,
            record_quotas,
            records_per_repository,
        )
        gate = build_gate(parts)
        return World(
            opened,
            upstream,
            gate,
            workers,
            policy,
            path,
            desk,
            approvals,
            snapshots,
            spool,
            denials,
            time,
            fresh_repository("team"),
        )

    return make


@pytest.fixture(params=["embedded", pytest.param("remote", marks=pytest.mark.real)])
def world(request: pytest.FixtureRequest, make_world: MakeWorld) -> World:
    """A gate before each kind of upstream in turn."""
    return make_world(request.getfixturevalue(request.param))


@pytest.fixture
def small_world(embedded: EmbeddedUpstream, make_world: MakeWorld) -> World:
    """A gate before the embedded registry, for what does not depend on the upstream."""
    return make_world(embedded)


@pytest.fixture
def deferred_world(embedded: EmbeddedUpstream, make_world: MakeWorld) -> World:
    """A gate that inspects behind the uploads, when less than `BUSY_RATE` arrives."""
    return make_world(embedded, observes_uploads=False, busy_upload_rate=BUSY_RATE)
