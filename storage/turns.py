"""Turns: what one task at a time may do, among all tasks of all processes on one database, while it also does other
things than writing to the database.

    async with database.turn(f"tags {repository}"):
        ...                                   # ask the upstream, write a transaction, ask again

A process that dies gives its turn back: PostgreSQL ends its session, the kernel its file lock.
"""

import asyncio
import fcntl
import hashlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol
from weakref import WeakValueDictionary

from sqlalchemy.ext.asyncio import AsyncEngine

from storage.errors import StorageUnavailableError
from storage.locks import serialise

_FILES = 256
_FIRST_PAUSE_SECONDS = 0.005
_LONGEST_PAUSE_SECONDS = 0.1


class OtherProcesses(Protocol):
    """Keeps the other processes on the same database out."""

    @asynccontextmanager
    def keep_out(self, name: str) -> AsyncIterator[None]:
        """Wait until no other process has `name`, and have it while the block runs."""
        ...


class Turns:
    """Turns by name: first among the tasks of this process, in the order they came, then among processes."""

    def __init__(self, others: OtherProcesses) -> None:
        self._others = others
        self._tasks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def take(self, name: str) -> AsyncIterator[None]:
        """Have the turn while the block runs. Never take a second one inside it: two who do may wait for each other."""
        lock = self._tasks.setdefault(name, asyncio.Lock())
        async with lock, self._others.keep_out(name):
            yield


class AdvisoryLocks:
    """PostgreSQL's advisory locks, each held by an open transaction of an engine that is used for nothing else.

    Whoever has a turn needs connections to get on; did those come from the same pool as the turns, all of them could
    be with tasks that wait for a turn.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    @asynccontextmanager
    async def keep_out(self, name: str) -> AsyncIterator[None]:
        """Waits as long as one statement may take."""
        async with self._engine.begin() as tx:
            await serialise(tx, f"turn {name}")
            yield


class FileLocks:
    """Locked files in `folder`, for processes on one machine. A file serves several names: there are `_FILES`."""

    def __init__(self, folder: Path, patience_seconds: float) -> None:
        self._folder = folder
        self._patience_seconds = patience_seconds

    @asynccontextmanager
    async def keep_out(self, name: str) -> AsyncIterator[None]:
        """Raises `StorageUnavailableError` when another process has it for too long, or no file can be made."""
        number = hashlib.sha256(name.encode()).digest()[0] % _FILES
        file = await asyncio.to_thread(self._open, f"{number:02x}")
        try:
            await self._lock(file, name)
            yield
        finally:
            os.close(file)  # unlocks

    def _open(self, name: str) -> int:
        try:
            self._folder.mkdir(exist_ok=True, mode=0o700)
            return os.open(self._folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StorageUnavailableError(
                f"the lock {self._folder / name} cannot be opened ({error.strerror}); check its folder and who may"
                " write there"
            ) from error

    async def _lock(self, file: int, name: str) -> None:
        """Tries again and again: waiting in a thread would take the threads from those who have what it waits for."""
        pause = _FIRST_PAUSE_SECONDS
        try:
            async with asyncio.timeout(self._patience_seconds):
                while not _locked(file):
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
        except TimeoutError as error:
            raise StorageUnavailableError(
                f"another process has been at {name} for {self._patience_seconds:g} seconds, so nothing was done; try"
                " again"
            ) from error


def _locked(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
