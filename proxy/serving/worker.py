"""One serving process of several: a whole gate on listening sockets that were there before it."""

import asyncio
import socket
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

_log = structlog.get_logger(__name__)
_CANNOT_SERVE = 2


def work(seat: Seat, settings: Settings, sockets: Sequence[socket.socket], board: Path, lifeline: int) -> int:
    """Serve until the supervisor says so, or is gone: `lifeline` can be read from then. Gives the exit status."""
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(seat, share_of(settings, seat.of), sockets, Board(board), lifeline))
    except ImagegateError as error:
        _log.critical("this process cannot serve", problem=str(error))
        return _CANNOT_SERVE
    return 0


async def _serve(seat: Seat, settings: Settings, sockets: Sequence[socket.socket], board: Board, lifeline: int) -> None:
    async with running(settings, seat, board) as services:
        await serve_until_told(services, sockets, lifeline)
