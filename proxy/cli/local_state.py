"""The gate's state, opened by a command on the machine where it lies, beside a running gate or without one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from config.settings import Settings
from proxy.cli.local_database import open_database
from proxy.errors import ManifestUnknownError
from proxy.gate.advisories import AdvisoryDesk
from proxy.gate.replay import Replay
from proxy.upstream.build import build_upstream
from proxy.upstream.port import Upstream
from scanning.oci.digest import Digest
from scanning.oci.names import ImageReference
from storage import held_tags
from storage.content.build import build_content
from storage.database import Database
from storage.snapshots import Snapshots


@dataclass(frozen=True, slots=True)
class LocalState:
    """What commands read and write."""

    database: Database
    advisories: AdvisoryDesk

    @property
    def replay(self) -> Replay:
        """Old verdicts, and what they were made of."""
        return Replay(self.database, self.advisories)


@asynccontextmanager
async def open_state(settings: Settings) -> AsyncIterator[LocalState]:
    """Open the database, as `open_database` does, and the advisories that `settings` name."""
    async with open_database(settings) as database:
        yield LocalState(database, AdvisoryDesk(Snapshots(settings.advisories_path)))


@asynccontextmanager
async def open_upstream(settings: Settings, database: Database) -> AsyncIterator[Upstream]:
    """Open the registry behind the gate, as `settings` name it, and close it afterwards."""
    upstream = build_upstream(settings, database, build_content(settings.content, settings.content_path))
    try:
        yield upstream
    finally:
        await upstream.close()


async def resolve(settings: Settings, state: LocalState, image: ImageReference) -> Digest:
    """The manifest that a reference means to those who may push. Raises `ManifestUnknownError`."""
    if isinstance(image.reference, Digest):
        return image.reference
    async with state.database.snapshot() as tx:
        held = await held_tags.find(tx, image.repository, image.reference)
    if held is not None:
        return held
    async with open_upstream(settings, state.database) as upstream:
        stored = await upstream.get_manifest(image.repository, image.reference)
    if stored is None:
        raise ManifestUnknownError(
            f"there is no {image}, neither behind the gate nor in quarantine; what was refused is told by: imagegate"
            f" verdict list --repository {image.repository}"
        )
    return stored.digest
