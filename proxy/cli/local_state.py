"""The gate's state, opened by a command on the machine where it lies, beside a running gate or without one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from config.settings import Settings
from proxy.gate.advisories import AdvisoryDesk
from proxy.gate.replay import Replay
from proxy.state_folder import make_state_folder
from proxy.upstream.build import build_upstream
from proxy.upstream.port import Upstream
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
    """Open the database and the advisories that `settings` name, and close them afterwards."""
    make_state_folder(settings.state_dir)
    database = await Database.open(settings.database)
    try:
        yield LocalState(database, AdvisoryDesk(Snapshots(settings.advisories_path)))
    finally:
        await database.close()


@asynccontextmanager
async def open_upstream(settings: Settings, database: Database) -> AsyncIterator[Upstream]:
    """Open the registry behind the gate, as `settings` name it, and close it afterwards."""
    upstream = build_upstream(settings, database, build_content(settings.content, settings.content_path))
    try:
        yield upstream
    finally:
        await upstream.close()
