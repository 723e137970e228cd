"""What is on record of manifests, read for all who ask at the same time with one question to the database.

    asked -> waits for the end of this turn of the event loop, and of the question that runs -> the next question

A question that was sent already answers nobody who comes later: what was recorded before somebody asked, that one sees.
"""

import asyncio

from scanning.oci.digest import Digest
from scanning.oci.names import Repository
from storage import judged
from storage.database import Database
from storage.judged import Judged

_MOST_AT_ONCE = 64
_PATIENCE_SECONDS = 0.1
"""How long others wait for a question that runs before there is one beside it: one that hangs holds nobody else up."""
_Key = tuple[Repository, Digest]


class Records:
    """The reader of one process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: dict[_Key, asyncio.Future[Judged]] = {}
        self._readers: set[asyncio.Task[None]] = set()
        self._current: asyncio.Task[None] | None = None

    async def find(self, repository: Repository, digest: Digest) -> Judged:
        """What is on record of a manifest. Raises the `StorageError` family."""
        key = repository, digest
        waiting = self._waiting.get(key)
        if waiting is None:
            waiting = self._waiting[key] = asyncio.get_running_loop().create_future()
            if self._current is None:
                self._begin()
        return await asyncio.shield(waiting)

    def _begin(self) -> None:
        reader = asyncio.create_task(self._read())
        self._readers.add(reader)
        reader.add_done_callback(self._readers.discard)
        self._current = reader

    async def _read(self) -> None:
        """Read until nobody waits, or another reader goes on."""
        me = asyncio.current_task()
        loop = asyncio.get_running_loop()
        while self._waiting and self._current is me:
            asked = {key: self._waiting.pop(key) for key in list(self._waiting)[:_MOST_AT_ONCE]}
            relief = loop.call_later(_PATIENCE_SECONDS, self._relieve, me)
            try:
                async with self._database.snapshot() as tx:
                    found = await judged.find(tx, asked)
            except BaseException as error:
                _fail(asked, error)
                if not isinstance(error, Exception):
                    raise
            else:
                for key, waiting in asked.items():
                    waiting.set_result(found[key])
            finally:
                relief.cancel()
        if self._current is me:
            self._current = None

    def _relieve(self, reader: asyncio.Task[None] | None) -> None:
        """Let another reader go on while one is slow."""
        if self._current is reader:
            self._current = None
            if self._waiting:
                self._begin()


def _fail(asked: dict[_Key, asyncio.Future[Judged]], error: BaseException) -> None:
    for waiting in asked.values():
        if isinstance(error, Exception):
            waiting.set_exception(error)
            waiting.exception()  # all who asked may have gone away
        else:
            waiting.cancel()
