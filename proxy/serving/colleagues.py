"""One serving process among several, as the others see it, and they as it sees them."""

import asyncio
from dataclasses import dataclass

import structlog

from proxy.inspection.errors import InspectionFailedError
from proxy.serving.board import Board, Notice
from proxy.serving.seats import Seat
from proxy.telemetry.metrics import Metrics
from proxy.telemetry.readiness import Check
from proxy.telemetry.sums import summed

_EVERY_SECONDS = 1.0
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Colleagues:
    """Speaks for this process on `board`, and reads there what the others say. `inspection` is this process's own."""

    board: Board
    seat: Seat
    inspection: Check

    async def check_inspection(self) -> None:
        """Return if inspection works in every process. Raises `InspectionFailedError`."""
        await self.inspection()
        if not all(notice.inspects for notice in await self._others()):
            raise InspectionFailedError("no inspection worker of another serving process is alive; they start again")

    async def warnings(self) -> tuple[str, ...]:
        """What an operator should know of the other processes."""
        missing = self.seat.of - 1 - len(await self._others())
        return (f"{missing} of {self.seat.of} serving processes are starting, or starting again",) if missing else ()

    async def metrics(self, own: Metrics) -> bytes:
        """What all processes count together, those included that have ended; the others' about a second old."""
        others, departed = await self._others(), await asyncio.to_thread(self.board.departed)
        mine = await asyncio.to_thread(own.text)
        return await asyncio.to_thread(summed, (mine.decode(), departed, *(notice.metrics for notice in others)))

    async def keep_posting(self, own: Metrics) -> None:
        """Say how this process is doing, for ever."""
        while True:
            try:
                await self.inspection()
                inspects = True
            except InspectionFailedError:
                inspects = False
            try:
                metrics = await asyncio.to_thread(own.text)
                await asyncio.to_thread(self.board.post, self.seat, Notice(inspects, metrics.decode()))
            except OSError as error:
                _log.error("the other processes are not told how this one is doing", problem=str(error))
            await asyncio.sleep(_EVERY_SECONDS)

    async def _others(self) -> tuple[Notice, ...]:
        return await asyncio.to_thread(self.board.others, self.seat)
