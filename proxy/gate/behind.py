"""Manifests that the upstream has.

    by tag       asked for every time
    by digest    on record, and the upstream had it a few minutes ago    what is on record
                 else                                                    asked for once for all who ask at the same time

That the upstream has one is noted in the database, for all processes: when it is published, and when it was asked for.
Whoever deletes it through the gate removes that together with it.
"""

import asyncio
from datetime import datetime, timedelta

from proxy.clock import Clock
from proxy.gate.admissions import Admissions
from proxy.gate.content import on_record
from proxy.shared_tasks import SharedTasks
from proxy.upstream.port import StoredManifest, Upstream
from scanning.oci.digest import Digest
from scanning.oci.names import Repository, Tag
from storage import manifests
from storage.database import Database
from storage.errors import StorageError
from storage.manifest_record import ManifestRecord
from storage.manifests import Seen

NOTING = "noting what the upstream has"
"""The name of the tasks that do so."""
_GATHER_SECONDS = 0.2
_NOTED_AGAIN = timedelta(hours=1)
"""When it is noted again that somebody asks for something, where that is all the note is for."""
_Key = tuple[Repository, Digest]


class Behind:
    """What is behind the gate, as one process asks for it. What was seen there is believed for `fresh`."""

    def __init__(
        self, database: Database, upstream: Upstream, admissions: Admissions, clock: Clock, fresh: timedelta
    ) -> None:
        self._database = database
        self._upstream = upstream
        self._admissions = admissions
        self._clock = clock
        self._fresh = fresh
        self._asking = SharedTasks[tuple[Repository, Digest, int], StoredManifest | None]()
        self._seen: dict[_Key, Seen] = {}
        self._noting: asyncio.Task[None] | None = None

    def believed(self, known: ManifestRecord | None) -> StoredManifest | None:
        """What is on record, if the upstream had it a short while ago."""
        if known is None or known.held or known.seen_at is None:
            return None
        is_fresh = timedelta(0) <= self._clock() - known.seen_at < self._fresh
        if not is_fresh or not known.digest.matches(known.body):
            return None
        return on_record(known)

    def saw(self, known: ManifestRecord | None) -> None:
        """The upstream has just been found to have, under a tag, what is `known`: note that somebody asks for it."""
        now = self._clock()
        if known is not None and not known.held and not _is_young(known.seen_at, now):
            self._note(Seen(known.repository, known.digest, known.first_seen, now))

    async def find(self, repository: Repository, tag: Tag) -> StoredManifest | None:
        """What the upstream has under a tag now. Raises the `UpstreamError` family; so does `get`."""
        return await self._upstream.get_manifest(repository, tag)

    async def get(self, repository: Repository, digest: Digest, known: ManifestRecord | None) -> StoredManifest | None:
        """The manifest, if the upstream has it now. `known` is what is on record of it."""
        asked_at = self._clock()
        stored = await self._ask(repository, digest)
        if stored is None or known is None or known.held:
            return stored
        if self._fresh or not _is_young(known.seen_at, asked_at):
            self._note(Seen(repository, digest, known.first_seen, asked_at))
        return stored

    async def _ask(self, repository: Repository, digest: Digest) -> StoredManifest | None:
        # Nobody is given what was asked for before this process deleted something.
        key = repository, digest, self._admissions.moment.forgotten
        running = self._asking.get(key)
        if running is not None:
            found = await asyncio.shield(running)
            if found is not None:
                return found  # what is not there may have been pushed since it was asked for
        return await asyncio.shield(self._asking.begin(key, self._upstream.get_manifest(repository, digest)))

    def _note(self, seen: Seen) -> None:
        self._seen[seen.repository, seen.digest] = seen
        if self._noting is None:
            self._noting = asyncio.create_task(self._write(), name=NOTING)

    async def _write(self) -> None:
        """Note much in one transaction. What cannot be noted is asked for again."""
        try:
            while self._seen:
                await asyncio.sleep(_GATHER_SECONDS)
                seen, self._seen = self._seen, {}
                async with self._database.transaction() as tx:
                    await manifests.note_seen(tx, tuple(seen.values()))
        except StorageError:
            return
        finally:
            self._noting = None


def _is_young(noted: datetime | None, now: datetime) -> bool:
    return noted is not None and timedelta(0) <= now - noted < _NOTED_AGAIN
