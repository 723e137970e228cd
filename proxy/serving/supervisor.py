"""Several serving processes behind one port: started, replaced when they die, and ended together.

The supervisor opens the listening sockets and the processes inherit them. So a connection that waits to be accepted
belongs to no process, and is lost with none; and the port is taken, or found taken, once.
"""

import asyncio
import multiprocessing
import os
import signal
import socket
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.context import SpawnProcess
from pathlib import Path

import structlog

from config.errors import ImagegateError
from config.settings import Settings
from proxy.serving.board import Board
from proxy.serving.seats import Seat
from proxy.serving.worker import work

_RESTART_SECONDS = 1.0
_LONGEST_RESTART_SECONDS = 30.0
_STEADY_SECONDS = 60.0
"""A process that lived so long is replaced at once however often others died before it."""
_KILL_AFTER_SECONDS = 10.0
_log = structlog.get_logger(__name__)


class ServingError(ImagegateError):
    """No process serves."""


async def supervise(settings: Settings, sockets: Sequence[socket.socket]) -> None:
    """Serve `sockets`, which are closed then, with as many processes as the settings say, until SIGTERM or SIGINT.

    SIGHUP goes to all of them. Raises `ServingError` if one cannot even start.
    """
    with tempfile.TemporaryDirectory(prefix="imagegate-") as folder:
        await _Supervisor(settings, sockets, Path(folder)).run()


class _Supervisor:
    def __init__(self, settings: Settings, sockets: Sequence[socket.socket], folder: Path) -> None:
        self._settings = settings
        self._sockets = sockets
        self._folder = folder
        self._board = Board(folder)
        self._spawn = multiprocessing.get_context("spawn")
        self._processes: set[SpawnProcess] = set()
        self._stopping = asyncio.Event()
        self._failed = False

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        loop.add_signal_handler(signal.SIGHUP, self._send, signal.SIGHUP)
        count = self._settings.listen.workers
        _log.info("supervising", processes=count)
        await asyncio.gather(*(self._keep(Seat(number, count)) for number in range(count)))
        if self._failed:
            raise ServingError("a serving process ended before it served, so the gate stops; its log says why")

    async def _keep(self, seat: Seat) -> None:
        """Have a process in `seat` until the end."""
        loop = asyncio.get_running_loop()
        pause, has_served = _RESTART_SECONDS, False
        while not self._stopping.is_set():
            started_at = loop.time()
            status = await self._run(seat)
            has_served = has_served or await asyncio.to_thread(self._board.has, seat)
            await asyncio.to_thread(self._board.clear, seat)
            if self._stopping.is_set():
                return
            if not has_served:
                self._failed = True
                self._stop()
                return
            if loop.time() - started_at >= _STEADY_SECONDS:
                pause = _RESTART_SECONDS
            _log.error("a serving process has ended, and is replaced", seat=seat.number, status=status)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause)
            pause = min(2 * pause, _LONGEST_RESTART_SECONDS)

    async def _run(self, seat: Seat) -> int | None:
        """Run one process to its end; gives its exit status, negative for the signal that killed it."""
        process = self._spawn.Process(target=work, args=(seat, self._settings, self._sockets, self._folder))
        process.start()
        self._processes.add(process)
        try:
            await _ended(process)
        finally:
            self._processes.discard(process)
        status = process.exitcode
        process.close()
        return status

    def _stop(self) -> None:
        """End all; told again, without waiting for what still runs."""
        if not self._stopping.is_set():
            self._stopping.set()
            for each in self._sockets:  # else a connection would be taken by the kernel, and by nobody after it
                each.close()
            listen = self._settings.listen
            patience = listen.drain_delay_seconds + listen.drain_seconds + _KILL_AFTER_SECONDS
            asyncio.get_running_loop().call_later(patience, self._send, signal.SIGKILL)
        self._send(signal.SIGTERM)

    def _send(self, number: signal.Signals) -> None:
        for process in self._processes:
            if process.pid is not None:  # it has not been waited for, so the number is still its own
                os.kill(process.pid, number)


async def _ended(process: SpawnProcess) -> None:
    """Wait for the end of `process`."""
    loop = asyncio.get_running_loop()
    ended = loop.create_future()

    def end() -> None:
        loop.remove_reader(process.sentinel)
        ended.set_result(None)

    loop.add_reader(process.sentinel, end)
    await ended
    process.join()
