"""The gate's state, opened by a command on the machine where it lies, beside a running gate or without one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from config.errors import ImagegateError
from config.settings import Settings
from proxy.errors import ManifestUnknownError
from proxy.gate.advisories import AdvisoryDesk
from proxy.gate.replay import Replay
from proxy.state_folder import make_state_folder
from proxy.upstream.build import build_upstream
from proxy.upstream.port import Upstream
from scanning.approvals import Approvals
from scanning.oci.digest import Digest
from scanning.oci.names import ImageReference
from storage import approvals, held_tags
from storage.content.build import build_content
from storage.database import Database
from storage.snapshots import Snapshots


class NoStateError(ImagegateError):
    """No gate has left anything where the settings say that its state is."""


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
async def open_state(settings: Settings, *, may_be_new: bool = False) -> AsyncIterator[LocalState]:
    """Open the database and the advisories that `settings` name, and close them afterwards.

    Raises `NoStateError` where there is none yet, so that a mistyped folder is no gate that knows nothing; it is made
    for a command that prepares a gate, which says `may_be_new`.
    """
    if not may_be_new and not settings.has_database:
        raise NoStateError(
            f"there is no gate in {settings.state_dir}: name the folder of yours with --state-dir, or its settings file"
            " with --config; imagegate serve starts a new one"
        )
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


@asynccontextmanager
async def open_gate_records(settings: Settings) -> AsyncIterator[Database | None]:
    """Open the database of the gate that `settings` name; None where there was no gate yet."""
    if not settings.has_database:
        yield None
        return
    async with open_state(settings) as state:
        yield state.database


async def approvals_of(records: Database | None) -> Approvals:
    """What is approved at a gate; nothing where there is none."""
    if records is None:
        return Approvals()
    async with records.snapshot() as tx:
        return await approvals.in_force(tx)
