"""The one way to the database.

    async with database.transaction() as tx:    # all of it or nothing, durable when the block is left
        await audit.append(tx, record)

The functions of this floor take the transaction first, so that what belongs together is committed together.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager, suppress
from typing import Self

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from storage import migrations
from storage.engines import Engines, create_engines, unavailable
from storage.errors import StorageUnavailableError

Transaction = AsyncConnection
_CLOSING_SECONDS = 5.0


class Database:
    """An open database, for one event loop. Several processes may have the same one open."""

    def __init__(self, engines: Engines) -> None:
        self._engines = engines
        self._is_open = True
        self._running = 0
        self._is_quiet = asyncio.Event()
        self._is_quiet.set()

    @classmethod
    async def open(cls, url: str) -> Self:
        """Connect, and bring the tables up to date.

        Raises `StorageUnavailableError` if the database does not answer, `StorageError` for an address of another
        kind or tables a newer version made.
        """
        database = cls(create_engines(url))
        try:
            async with database.transaction() as tx:
                await tx.run_sync(migrations.upgrade)
        except BaseException:
            await database.close()
            raise
        return database

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """A transaction that commits when its block ends, and is rolled back by an exception.

        Raises `StorageUnavailableError` for whatever the database or its driver fails with. Never open one inside
        another: on SQLite the inner one waits for the outer one, and gives up.
        """
        return self._begin(self._engines.writer)

    def snapshot(self) -> AbstractAsyncContextManager[Transaction]:
        """A transaction that only reads, sees one state throughout, and never waits for writers.

        Raises `StorageUnavailableError`, also when something is written in it.
        """
        return self._begin(self._engines.reader)

    @asynccontextmanager
    async def turn(self, name: str) -> AsyncIterator[None]:
        """The turn to do what `name` says: one task at a time has it, of all processes on this database.

        Unlike a transaction it may last, and hold transactions and snapshots; never another turn. Raises
        `StorageUnavailableError` when it cannot be had for a long time.
        """
        if not self._is_open:
            raise _closed()
        with _one_family(SQLAlchemyError):
            async with self._engines.turns.take(name):
                yield

    async def check(self) -> None:
        """Return if the database answers. Raises `StorageUnavailableError`."""
        async with self.snapshot() as tx:
            await tx.execute(sa.select(1))

    async def close(self) -> None:
        """Close every connection, once what runs has ended or taken too long; the database cannot be used again."""
        self._is_open = False
        with suppress(TimeoutError):
            await asyncio.wait_for(self._is_quiet.wait(), _CLOSING_SECONDS)
        await self._engines.dispose()

    @asynccontextmanager
    async def _begin(self, engine: AsyncEngine) -> AsyncIterator[Transaction]:
        if not self._is_open:
            raise _closed()
        self._running += 1
        self._is_quiet.clear()
        try:
            with _one_family(SQLAlchemyError):
                async with AsyncExitStack() as stack:
                    with _one_family(OSError):  # while connecting only: later, an OSError is the caller's own
                        tx = await stack.enter_async_context(engine.begin())
                    yield tx
        finally:
            self._running -= 1
            if not self._running:
                self._is_quiet.set()


def _closed() -> StorageUnavailableError:
    return StorageUnavailableError("the database is closed, because imagegate stops; try again later")


@contextmanager
def _one_family(kind: type[Exception]) -> Iterator[None]:
    try:
        yield
    except kind as error:
        raise unavailable(error) from error
