"""Both upstreams, ready to be used: the contract suite runs on each."""

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from proxy.clock import utc_now
from proxy.upstream.cached import CachedUpstream
from proxy.upstream.connection import RemoteOptions
from proxy.upstream.embedded import EmbeddedUpstream
from proxy.upstream.origin import Origin
from proxy.upstream.port import Upstream
from proxy.upstream.remote import RemoteUpstream
from proxy.upstream.routed import Route, RoutedUpstream
from scanning.oci.names import Repository
from storage.blob_cache import BlobCache
from storage.content.filesystem import FilesystemContent
from storage.database import Database
from tests.registries import (
    RealRegistry,
    docker_registry,
    docker_registry_with_password,
    docker_registry_with_tokens,
    fresh_repository,
)
from tests.simulators import MemoryUpstream

__all__ = ["docker_registry", "docker_registry_with_password", "docker_registry_with_tokens"]


@pytest.fixture
async def embedded(tmp_path: Path) -> AsyncIterator[EmbeddedUpstream]:
    """The embedded registry on SQLite and a folder."""
    database = await Database.open(f"sqlite+aiosqlite:///{tmp_path / 'gate.sqlite3'}")
    try:
        yield EmbeddedUpstream(database, FilesystemContent(tmp_path / "content"))
    finally:
        await database.close()


@pytest.fixture
async def remote(docker_registry: RealRegistry) -> AsyncIterator[RemoteUpstream]:
    """The remote adapter before docker-registry."""
    upstream = RemoteUpstream(RemoteOptions(Origin.parse(docker_registry.url)))
    try:
        yield upstream
    finally:
        await upstream.close()


@pytest.fixture
def routed(embedded: EmbeddedUpstream) -> RoutedUpstream:
    """The embedded registry under the prefix that fresh repositories have, in a namespace, beside another upstream."""
    return RoutedUpstream(Route(MemoryUpstream()), [Route(embedded, prefix="test", namespace="mirror")])


@pytest.fixture
async def cached(docker_registry: RealRegistry, tmp_path: Path) -> AsyncIterator[CachedUpstream]:
    """The remote adapter before docker-registry, with a cache."""
    remote = RemoteUpstream(RemoteOptions(Origin.parse(docker_registry.url)))
    upstream = CachedUpstream(remote, BlobCache(tmp_path / "cache", 64 << 20, utc_now), time.monotonic)
    try:
        yield upstream
    finally:
        await upstream.close()


_REAL = [pytest.param(name, marks=pytest.mark.real) for name in ("remote", "cached")]


@pytest.fixture(params=["embedded", "routed", *_REAL])
def upstream(request: pytest.FixtureRequest) -> Upstream:
    """Each adapter in turn."""
    adapter: Upstream = request.getfixturevalue(request.param)
    return adapter


@pytest.fixture
def repository() -> Repository:
    """A repository nobody has used."""
    return fresh_repository()
