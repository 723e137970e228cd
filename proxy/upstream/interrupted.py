"""Notes on uploads whose last chunk broke off, which all replicas on one database share."""

from proxy.clock import Clock
from proxy.upstream.origin import Origin
from proxy.upstream.port import Upload
from storage import interrupted_uploads
from storage.database import Database


class InterruptedUploads:
    """The notes (`uploads.UploadNotes`) on uploads to one registry, `origin`. These are told apart by the paths of
    their addresses.
    """

    def __init__(self, database: Database, origin: Origin, clock: Clock) -> None:
        self._database = database
        self._origin = origin
        self._clock = clock

    async def note(self, path: str, stands: Upload) -> None:
        """Remember where the upload at `path` stands. Raises `StorageError`."""
        async with self._database.transaction() as tx:
            await interrupted_uploads.note(tx, self._name(path), stands.state, stands.offset, self._clock())

    async def find(self, path: str) -> Upload | None:
        """Where it stood when its last chunk broke off; None if none did. Raises `StorageError`."""
        async with self._database.snapshot() as tx:
            found = await interrupted_uploads.find(tx, self._name(path))
        return None if found is None else Upload(*found)

    def _name(self, path: str) -> str:
        return f"{self._origin}{path}"
