"""How processes are ended."""

import os
import signal
from contextlib import suppress


def kill_session(pid: int) -> None:
    """Kill a process that is not reaped yet, and its session where it leads one already."""
    for kill in (os.killpg, os.kill):
        with suppress(ProcessLookupError, PermissionError):
            kill(pid, signal.SIGKILL)
