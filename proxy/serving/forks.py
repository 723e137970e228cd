"""Processes that are forks of this one, so that what is loaded before is there once for all of them.

Fork only where no thread runs, no event loop and no connection is there: a copy has their locks, in whatever state they
are, and none of the threads that would release them.
"""

import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from typing import NoReturn

_UNFORESEEN = 1
_INTERRUPTED = 128 + signal.SIGINT


def fork(work: Callable[[], int]) -> int:
    """Have `work` done by a copy of this process, which ends with the status that it returns. Gives the copy's id.

    Nothing of the caller goes on in the copy: no `finally`, no `with`, nothing that was registered for the end of this
    process. Raises `OSError` if the system has no room for another process.
    """
    if threading.active_count() > 1:
        raise RuntimeError(f"threads run, so no process can be forked: {[each.name for each in threading.enumerate()]}")
    _flush()  # else both would write what still waits to be written
    process = os.fork()
    if process == 0:
        _do(work)
    return process


def ended(process: int) -> int:
    """Wait for the end of `process`; gives its exit status, negative for the signal that killed it."""
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def _do(work: Callable[[], int]) -> NoReturn:
    status = _UNFORESEEN
    try:
        status = work()
        _flush()
    except KeyboardInterrupt:
        status = _INTERRUPTED
    except BaseException:  # noqa: BLE001 - nothing may go on where the caller would
        traceback.print_exc()
    finally:
        os._exit(status)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
