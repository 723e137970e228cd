"""One serving process of several: a whole gate on listening sockets that were there before it."""

import asyncio
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog
import uvloop

from config.errors import ImagegateError
from config.settings import Settings
from proxy.inspection.shared_template import SharedEnd
from proxy.running import running
from proxy.server import serve_until_told
from proxy.serving.board import Board
from proxy.serving.seats import Seat, share_of

_log = structlog.get_logger(__name__)
_CANNOT_SERVE = 2


@dataclass(frozen=True, slots=True)
class Inherited:
    """What a serving process has from its supervisor: the folder of the `board`, a `lifeline` that can be read once the
    supervisor is gone, and an end of the `template` of inspection workers, unless there is none.
    """

    sockets: Sequence[socket.socket]
    board: Path
    lifeline: int
    template: SharedEnd | None


def work(seat: Seat, settings: Settings, inherited: Inherited) -> int:
    """Serve until the supervisor says so, or is gone. Gives the exit status."""
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(seat, share_of(settings, seat.of), inherited))
    except ImagegateError as error:
        _log.critical("this process cannot serve", problem=str(error))
        return _CANNOT_SERVE
    return 0


async def _serve(seat: Seat, settings: Settings, inherited: Inherited) -> None:
    async with running(settings, seat, Board(inherited.board), inherited.template) as services:
        await serve_until_told(services, inherited.sockets, inherited.lifeline)
