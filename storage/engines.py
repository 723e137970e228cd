"""How each database is spoken to. The one place that knows SQLite from PostgreSQL, besides `storage.upsert`.

writer    transactions; on SQLite one connection, so that the tasks of a process queue fairly for the one write
          lock a file has, and only processes compete for it
reader    snapshots: one state of the database for every statement, and no write passes
turns     what must not happen at once in any process, and takes longer than a transaction should
"""

import os
import sqlite3
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, event, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from storage.errors import StorageError, StorageUnavailableError
from storage.turns import AdvisoryLocks, FileLocks, Turns

PATIENCE_SECONDS = 15
"""How long a transaction waits for its turn: for a free connection, or for another process's write lock."""

_CONNECT_SECONDS = 10
_STATEMENT_SECONDS = 60
_CONNECTIONS = 10
_TURNS = 10
"""How many turns a process may have at once on PostgreSQL, a connection each."""


@dataclass(frozen=True, slots=True)
class Engines:
    """The ways to one database. `others` are engines that the turns use."""

    writer: AsyncEngine
    reader: AsyncEngine
    turns: Turns
    others: tuple[AsyncEngine, ...] = ()

    async def dispose(self) -> None:
        """Close every connection."""
        for engine in (self.writer, self.reader, *self.others):
            await engine.dispose()


def create_engines(url: str) -> Engines:
    """Prepare `sqlite+aiosqlite:///FILE` or `postgresql+asyncpg://…`; nothing is connected yet.

    Raises `StorageError` for any other address and `StorageUnavailableError` if SQLite's file cannot be made.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        # Neither the address nor the cause is shown: an address can hold a password.
        raise StorageError("the database address cannot be read; write SCHEME://USER:PASSWORD@HOST/NAME") from error
    if parsed.drivername == "sqlite+aiosqlite":
        return _sqlite(parsed)
    if parsed.drivername == "postgresql+asyncpg":
        return _postgresql(parsed)
    raise StorageError(
        f"the database {parsed.drivername} is not supported; write sqlite+aiosqlite:///FILE or postgresql+asyncpg://…"
    )


def _postgresql(url: URL) -> Engines:
    shared: dict[str, Any] = {
        "hide_parameters": True,
        "pool_timeout": PATIENCE_SECONDS,
        "pool_pre_ping": True,
        "connect_args": {"timeout": _CONNECT_SECONDS, "command_timeout": _STATEMENT_SECONDS},
    }
    engine = create_async_engine(url, pool_size=_CONNECTIONS, max_overflow=_CONNECTIONS, **shared)
    locking = create_async_engine(url, pool_size=1, max_overflow=_TURNS - 1, **shared)
    for each in (engine, locking):
        _translate_errors(each)
    reader = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    return Engines(engine, reader, Turns(AdvisoryLocks(locking)), (locking,))


def _sqlite(url: URL) -> Engines:
    if not url.database or url.database == ":memory:":
        raise StorageError("SQLite needs a file, since memory survives no restart; write sqlite+aiosqlite:///FILE")
    _make_private_file(Path(url.database))
    shared: dict[str, Any] = {
        "hide_parameters": True,
        "pool_timeout": PATIENCE_SECONDS,
        "connect_args": {"timeout": PATIENCE_SECONDS},
    }
    writer = create_async_engine(url, pool_size=1, max_overflow=0, **shared)
    reader = create_async_engine(url, pool_size=_CONNECTIONS, **shared)
    for engine, read_only, begin in ((writer, "OFF", "BEGIN IMMEDIATE"), (reader, "ON", "BEGIN")):
        _translate_errors(engine)
        _take_over_transactions(engine, read_only, begin)
    return Engines(writer, reader, Turns(FileLocks(Path(f"{url.database}-turns"), _STATEMENT_SECONDS)))


def _make_private_file(path: Path) -> None:
    """The database holds signing keys: nobody else may read it, nor the files SQLite puts beside it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise StorageUnavailableError(
            f"the database file {path} cannot be opened ({error.strerror}); check its folder and who may write there"
        ) from error


def _take_over_transactions(engine: AsyncEngine, read_only: str, begin: str) -> None:
    """Begin transactions ourselves: Python's driver begins them too late, and never as writers.

    A transaction that begins as a reader and writes later fails at once when another wrote in between, however long
    it may wait; one that begins as a writer waits.
    """

    @event.listens_for(engine.sync_engine, "connect")
    def _connected(connection: Any, _record: object) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute(f"PRAGMA query_only={read_only}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "invalidate")
    def _cut_off(connection: Any, _record: object, _error: object) -> None:
        """A task is cancelled in the middle of a statement. Closing the connection would not end its transaction, nor
        give the write lock back, before the last cursor is collected.
        """
        with suppress(sqlite3.Error, ValueError):  # it may be closed already
            connection.rollback()

    @event.listens_for(engine.sync_engine, "begin")
    def _begun(connection: Connection) -> None:
        connection.exec_driver_sql(begin)


def _translate_errors(engine: AsyncEngine) -> None:
    """Drivers let a lost connection or a time-out through as a bare `OSError`, which a caller could not tell from its
    own.
    """

    @event.listens_for(engine.sync_engine, "handle_error")
    def _failed(context: Any) -> StorageUnavailableError | None:
        error = context.original_exception
        return unavailable(error) if isinstance(error, OSError) else None


def unavailable(error: BaseException) -> StorageUnavailableError:
    """The sentence for a person. What the database was asked is left out: it can hold secrets."""
    if isinstance(error, PoolTimeoutError):  # which tells of the pool, and where to read about that
        reason = f"no connection was free for {PATIENCE_SECONDS:g} seconds: it is busy, or another process locks it"
    else:
        reason = str(getattr(error, "orig", None) or error) or type(error).__name__
    return StorageUnavailableError(
        f"the database cannot be used ({reason}), so nothing was recorded; check that it runs, that database_url is"
        " right, and that its disk is not full"
    )
