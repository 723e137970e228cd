"""The counters as text, for whoever asks: nobody has to say who they are, and making it is work.

    asked -> waits for the text that is being made, and a while -> made once for all who wait, from then on

What is given was made after it was asked for.
"""

import asyncio
from collections.abc import Awaitable, Callable

from proxy.shared_tasks import look_at

_REST = 4
"""How much longer than making the text nobody makes another: a fifth of one processor at most goes into it."""


class Exposition:
    """`make` writes the text once."""

    def __init__(self, make: Callable[[], Awaitable[bytes]]) -> None:
        self._make = make
        self._one_at_a_time = asyncio.Lock()
        self._next: asyncio.Task[bytes] | None = None
        self._rests_until = 0.0

    async def text(self) -> bytes:
        """Everything, in the Prometheus text format. Raises what `make` raises."""
        if self._next is None:
            self._next = asyncio.create_task(self._made())
            self._next.add_done_callback(look_at)
        return await asyncio.shield(self._next)

    async def _made(self) -> bytes:
        loop = asyncio.get_running_loop()
        async with self._one_at_a_time:
            await asyncio.sleep(max(self._rests_until - loop.time(), 0))
            self._next = None  # who asks from now on wants what is counted from now on
            began = loop.time()
            try:
                return await self._make()
            finally:
                self._rests_until = loop.time() + _REST * (loop.time() - began)
