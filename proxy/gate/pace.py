"""How fast uploads come, and when they leave time for what can wait."""

import asyncio
import math
import time
from collections.abc import Callable

_SPAN_SECONDS = 0.5
"""What came so long ago counts for a third."""


class UploadPace:
    """The rate of uploads, smoothed. `busy_rate` is how many bytes a second take all there is to give: without it,
    it is always calm.
    """

    def __init__(self, busy_rate: float = math.inf, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._busy_rate = busy_rate
        self._monotonic = monotonic
        self._weight = 0.0
        self._at = monotonic()

    def note(self, count: int) -> None:
        """So many bytes arrived just now."""
        self._weight = self._faded() + count
        self._at = self._monotonic()

    def seconds_until_calm(self) -> float:
        """How long it takes until uploads are slower than `busy_rate` if nothing more arrives; 0 when they are."""
        rate = self._faded() / _SPAN_SECONDS
        return _SPAN_SECONDS * math.log(rate / self._busy_rate) if rate > self._busy_rate else 0.0

    async def calm(self) -> None:
        """Wait until uploads are slower than `busy_rate`."""
        while True:
            pause = self.seconds_until_calm()
            if not pause:
                return
            await asyncio.sleep(pause)

    def _faded(self) -> float:
        return self._weight * math.exp((self._at - self._monotonic()) / _SPAN_SECONDS)
