"""Audit records that cannot wait for the database: in a file before the answer, in the database soon after.

    append -> FOLDER/<name>.spool, one line a record -> many lines in one transaction, with how far that was

A record is out of reach of a killed process once `append` returns, and of a power cut once its transaction is
committed, a moment later. How far a file was taken over stands in the database, written in the transaction of the
records: so each is there once, however often a process is killed. What a killed process left behind is taken over by
the next that opens the folder. Several processes may have it open; each locks the file it writes.
"""

import asyncio
import fcntl
import os
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
import structlog

from storage import audit, durable
from storage.audit import AuditRecord
from storage.database import Database, Transaction
from storage.errors import StorageError, StorageUnavailableError
from storage.schema import audit_spools
from storage.upsert import insert

_BATCH_BYTES = 512 * 1024
"""At most so much in one transaction; more than the longest line. Much less, and a busy gate would fall behind: each
step of a transaction waits until the requests of a turn are answered.
"""
_RENEW_BYTES = 8 << 20
"""After how many bytes a file is replaced by a new one."""
_RETRY_SECONDS = 1.0
_PROBE = bytes(4096)
"""Written to see whether that works, and taken back: a block, which a full disk does not have, and no line."""
_GATHER_SECONDS = 0.2
"""How long records gather while many are written: one transaction for all costs hardly more than for one."""
_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _File:
    """An open, locked file: `size` bytes are written, `taken` of them are in the database."""

    path: Path
    handle: int
    size: int = 0
    taken: int = 0

    @property
    def name(self) -> str:
        """What the database calls it."""
        return self.path.stem


class AuditSpool:
    """The spool of one process in a folder. At most `limit` bytes wait for the database."""

    def __init__(self, folder: Path, database: Database, limit: int) -> None:
        self._folder = folder
        self._database = database
        self._limit = limit
        self._file: _File | None = None
        self._full: _File | None = None  # written no more, because it is large, and not taken over whole yet
        self._draining = asyncio.Lock()
        self._appended = asyncio.Event()

    @property
    def limit(self) -> int:
        """How many bytes may wait."""
        return self._limit

    @property
    def waiting(self) -> int:
        """How many bytes the database does not have yet."""
        return sum(file.size - file.taken for file in self._files)

    @property
    def _files(self) -> tuple[_File, ...]:
        return tuple(file for file in (self._full, self._file) if file is not None)

    def append(self, record: AuditRecord) -> None:
        """Write a record down. Raises what `append_lines` raises."""
        self.append_lines(audit.encode(record))

    def append_lines(self, lines: bytes) -> None:
        """Write down what `audit.encode` or `audit.RepeatedRecord` made, all of it at once.

        Raises `StorageUnavailableError` where that is not possible; then nothing is written. It goes to the operating
        system only, which does not wait for the disk: fit for the event loop.
        """
        if self.waiting + len(lines) > self._limit:
            raise StorageUnavailableError(
                f"{self.waiting} bytes of the audit wait for the database and no more may, so that nothing goes"
                " unrecorded; check that the database answers"
            )
        try:
            if self._file is None:
                self._file = _create(self._folder)
            _append(self._file, lines)
        except OSError as error:
            raise StorageUnavailableError(
                f"the audit cannot be written to {self._folder} ({error.strerror}), so nothing is served; check that"
                " its disk is not full and that the gate may write there"
            ) from error
        self._appended.set()

    async def check(self) -> None:
        """Return if a record could be written now. Raises `StorageUnavailableError` as `append_lines` does."""
        self.append_lines(_PROBE)
        file = self._file
        if file is not None:
            file.size -= len(_PROBE)
            os.ftruncate(file.handle, file.size)

    async def drain(self) -> None:
        """Take all that was written so far over into the database. Raises `StorageUnavailableError`.

        What is written meanwhile waits for the next time: a busy gate always writes more by the time a transaction is
        committed, and each costs the same, however little it takes over.
        """
        async with self._draining:
            if self._full is None and self._file is not None and self._file.size >= _RENEW_BYTES:
                self._full, self._file = self._file, None
            for file in self._files:
                so_far = file.size
                while file.taken < so_far:
                    await self._take(file)
            if self._full is not None:
                full, self._full = self._full, None
                await self._remove(full)

    async def take_over(self) -> None:
        """Take over what killed processes left behind. Raises `StorageUnavailableError`."""
        for path in sorted(self._folder.glob("*.spool")):
            handle = _lock(path)
            if handle is None:
                continue  # its process lives
            try:
                file = _File(path, handle, size=_whole_lines(handle))
                async with self._database.snapshot() as tx:
                    file.taken = await _noted(tx, file.name)
                while file.taken < file.size:
                    await self._take(file)
            except BaseException:
                os.close(handle)
                raise
            await self._remove(file)
            _log.info("audit records of a killed process taken over", file=path.name)

    async def keep_draining(self) -> None:
        """Take over what killed processes left behind, then whatever is written, for ever."""
        await self._until_done(self.take_over)
        while True:
            await self._appended.wait()
            self._appended.clear()
            await self._until_done(self.drain)
            await asyncio.sleep(_GATHER_SECONDS)

    async def close(self) -> None:
        """Drain, and remove the file. What the database does not take now stays for the next start."""
        try:
            await self.drain()
            while self.waiting:
                await self.drain()
            if self._file is not None:
                file, self._file = self._file, None
                await self._remove(file)
        except StorageError as error:
            _log.error("audit records wait for the next start", problem=str(error))

    async def _until_done(self, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                return await work()
            except (StorageError, OSError) as error:
                _log.error("audit records wait for the database", problem=str(error))
                for file in self._files:
                    await asyncio.to_thread(os.fsync, file.handle)  # it may be long: survive a power cut too
                await asyncio.sleep(_RETRY_SECONDS)

    async def _take(self, file: _File) -> None:
        """Take the next lines over. Who is cancelled meanwhile waits for it: what comes then wants the same lines."""
        taking = asyncio.ensure_future(self._take_piece(file))
        try:
            await asyncio.shield(taking)
        except asyncio.CancelledError:
            await asyncio.wait([taking])
            raise

    async def _take_piece(self, file: _File) -> None:
        """Take the next lines over, and note how far, in one transaction."""
        piece = os.pread(file.handle, min(_BATCH_BYTES, file.size - file.taken), file.taken)
        # No line is longer than the piece, but for what a power cut made of a file: that is told, and left behind.
        piece = piece[: piece.rfind(b"\n") + 1] or piece
        taken = file.taken + len(piece)
        records = await audit.decode_lines(piece)
        async with self._database.transaction() as tx:
            noted = await _noted(tx, file.name)
            if noted > file.taken:  # a commit whose answer was lost
                file.taken = noted
                return
            await audit.append_decoded(tx, records)
            note = insert(tx, audit_spools).values(name=file.name, taken=taken)
            await tx.execute(note.on_conflict_do_update(index_elements=["name"], set_={"taken": taken}))
        file.taken = taken

    async def _remove(self, file: _File) -> None:
        """In this order: a file without its note would be taken over a second time."""
        file.path.unlink(missing_ok=True)
        os.close(file.handle)
        async with self._database.transaction() as tx:
            await tx.execute(sa.delete(audit_spools).where(audit_spools.c.name == file.name))


async def _noted(tx: Transaction, name: str) -> int:
    """How far a file was taken over, as the database knows it."""
    return await tx.scalar(sa.select(audit_spools.c.taken).where(audit_spools.c.name == name)) or 0


def _create(folder: Path) -> _File:
    durable.make_folder(folder)
    while True:
        path = folder / f"{secrets.token_hex(8)}.spool"
        path.touch(mode=0o600, exist_ok=False)
        handle = _lock(path)
        if handle is not None:
            return _File(path, handle)


def _lock(path: Path) -> int | None:
    """Open and lock a file; None if a living process has it, or it is gone."""
    try:
        handle = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    if os.fstat(handle).st_nlink == 0:  # another process took it over between opening and locking
        os.close(handle)
        return None
    return handle


def _append(file: _File, lines: bytes) -> None:
    """Write whole lines or nothing: what a full disk took of them is cut off again."""
    try:
        written = os.pwrite(file.handle, lines, file.size)
        while written < len(lines):
            written += os.pwrite(file.handle, lines[written:], file.size + written)
    except OSError:
        os.ftruncate(file.handle, file.size)
        raise
    file.size += len(lines)


def _whole_lines(handle: int) -> int:
    """The size of a file without a last line that a power cut left half."""
    size = os.fstat(handle).st_size
    end = size
    while end:
        begin = max(0, end - _BATCH_BYTES)
        found = os.pread(handle, end - begin, begin).rfind(b"\n")
        if found >= 0:
            return begin + found + 1
        end = begin
    return 0
