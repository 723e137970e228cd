"""How fast uploads come, and when they leave time for what can wait.

Several processes of one gate see each other's uploads in a file that all of them have in memory: two numbers for each
seat, the weight of what came to it, and when that was, in seconds of the machine's monotonic clock.
"""

import asyncio
import math
import mmap
import time
from collections.abc import Callable
from pathlib import Path

_SPAN_SECONDS = 0.5
"""What came so long ago counts for a third."""
_DOUBLE_BYTES = 8


def shared_weights(file: Path, seats: int) -> "memoryview[float]":
    """The numbers of all seats, in a `file` that is made where there is none yet."""
    size = 2 * seats * _DOUBLE_BYTES
    with file.open("a+b") as opened:
        opened.truncate(size)  # changes nothing where another process was first
        return memoryview(mmap.mmap(opened.fileno(), size)).cast("d")


class UploadPace:
    """The rate of uploads, smoothed. `busy_rate` is how many bytes a second take all there is to give: without it,
    it is always calm. What came to other processes counts as well where they share `weights`; this one has `seat`.
    """

    def __init__(
        self,
        busy_rate: float = math.inf,
        monotonic: Callable[[], float] = time.monotonic,
        weights: "memoryview[float] | None" = None,
        seat: int = 0,
    ) -> None:
        self._busy_rate = busy_rate
        self._monotonic = monotonic
        self._weights = memoryview(bytearray(2 * _DOUBLE_BYTES)).cast("d") if weights is None else weights
        self._own = 2 * seat

    def note(self, count: int) -> None:
        """So many bytes arrived just now."""
        now = self._monotonic()
        self._weights[self._own] = self._faded(self._own, now) + count
        self._weights[self._own + 1] = now

    def seconds_until_calm(self) -> float:
        """How long it takes until uploads are slower than `busy_rate` if nothing more arrives; 0 when they are."""
        now = self._monotonic()
        rate = sum(self._faded(seat, now) for seat in range(0, len(self._weights), 2)) / _SPAN_SECONDS
        return _SPAN_SECONDS * math.log(rate / self._busy_rate) if rate > self._busy_rate else 0.0

    async def calm(self) -> None:
        """Wait until uploads are slower than `busy_rate`."""
        while True:
            pause = self.seconds_until_calm()
            if not pause:
                return
            await asyncio.sleep(pause)

    def _faded(self, seat: int, now: float) -> float:
        # Another process may have written but one of the two, or come after `now`: no more than it weighed then.
        return self._weights[seat] * math.exp(min(0.0, self._weights[seat + 1] - now) / _SPAN_SECONDS)
