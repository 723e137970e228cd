"""One serving process of several: a whole gate on listening sockets that were there before it."""

import asyncio
import multiprocessing
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

import structlog
import uvloop

from config.errors import ImagegateError
from config.settings import Settings
from proxy.running import running
from proxy.server import serve_until_told
from proxy.serving.board import Board
from proxy.serving.seats import Seat, share_of
from proxy.telemetry.logging import configure_logging

_log = structlog.get_logger(__name__)


def work(seat: Seat, settings: Settings, sockets: Sequence[socket.socket], board: Path) -> None:
    """Serve until the supervisor says so, or is gone. The entry of a process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends Ctrl-C to all; the supervisor passes it on
    configure_logging(settings.logging.level, settings.logging.format)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(seat, share_of(settings, seat.of), sockets, Board(board)))
    except ImagegateError as error:
        _log.critical("this process cannot serve", problem=str(error))
        sys.exit(2)


async def _serve(seat: Seat, settings: Settings, sockets: Sequence[socket.socket], board: Board) -> None:
    for each in sockets:
        each.setblocking(False)
        each.set_inheritable(False)  # an inspection worker that had it would keep the port open
    supervisor = multiprocessing.parent_process()
    if supervisor is None:
        raise RuntimeError("a serving process is started by its supervisor")
    async with running(settings, seat, board) as services:
        await serve_until_told(services, sockets, supervisor.sentinel)
