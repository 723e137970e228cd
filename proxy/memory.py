"""Memory that is free goes back to the system.

glibc keeps what was freed for what comes next, and connections over TLS hold their buffers until Python looks for
cycles, which it does rarely: after a hundred transfers that is half of what the process holds. Giving it back takes
some milliseconds in which nothing else runs, so it is done only when there may be much to be had, and ever more rarely
while there is not.
"""

import asyncio
import ctypes
import gc
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_LOOK_SECONDS = 10.0
_MOST_SECONDS = 600.0
_WORTH_LOOKING_BYTES = 32 << 20
_WORTH_HAVING_BYTES = 8 << 20
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_STATM = Path("/proc/self/statm")


@dataclass(slots=True)
class GivingBack:
    """When to give memory back: `resident` says how many bytes the process holds, `give_back` does it.

    It holds more than it needs, perhaps, if that is much more than the least it ever held.
    """

    resident: Callable[[], int]
    give_back: Callable[[], None]
    least: int
    pause: float = _LOOK_SECONDS

    def look(self) -> float:
        """Do it if it may be worth it; gives the seconds until the next look."""
        before = self.resident()
        self.least = min(self.least, before)
        if before < self.least + _WORTH_LOOKING_BYTES:
            self.pause = _LOOK_SECONDS
            return self.pause
        self.give_back()
        after = self.resident()
        self.least = min(self.least, after)
        self.pause = _LOOK_SECONDS if before - after >= _WORTH_HAVING_BYTES else min(self.pause * 2, _MOST_SECONDS)
        return self.pause


async def keep_giving_back() -> None:
    """Look now and then, for ever. Ends at once where memory cannot be given back."""
    give_back = giving_back()
    if give_back is None:
        return
    giving = GivingBack(resident_bytes, give_back, resident_bytes())
    pause = giving.pause
    while True:
        await asyncio.sleep(pause)
        pause = await asyncio.to_thread(giving.look)


def resident_bytes() -> int:
    """What this process holds of the machine's memory now."""
    return int(_STATM.read_text(encoding="ascii").split()[1]) * _PAGE_BYTES


def giving_back() -> Callable[[], None] | None:
    """How to give back what is free (malloc_trim(3)); None where the C library, or the system, has no such thing."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is None or not _STATM.exists():
        return None

    def give_back() -> None:
        gc.collect()
        trim(ctypes.c_size_t(0))

    return give_back
