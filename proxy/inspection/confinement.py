"""What a worker gives up before it reads its first hostile byte (threat 80): memory, files, privileges, network."""

import ctypes
import os
import resource
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Final

from proxy.inspection import landlock
from scanning.layers.limits import InspectionLimits

NICENESS = 5
"""A third of the share of a request: inspection must not starve beside a busy neighbour either."""
_OPEN_FILES = 16
_NEW_NETWORK, _NEW_USER = 0x4000_0000, 0x1000_0000  # CLONE_NEWNET, CLONE_NEWUSER of unshare(2)
_NO_NEW_PRIVILEGES: Final = 38  # PR_SET_NO_NEW_PRIVS of prctl(2)


class ProcessorTimeSpentError(BaseException):
    """The layer has used its processor time. Not an `Exception`: no reader of files may swallow it."""


def give_way(niceness: int = NICENESS) -> None:
    """Leave processors to the gate and to the registry while they want them: requests are short, layers are long."""
    os.nice(niceness)
    # Where the kernel shares processors among sessions (sched(7), autogroup), that counts within a session only, and
    # each worker has one of its own.
    with suppress(OSError):
        Path("/proc/self/autogroup").write_text(f"{niceness}", "ascii")


def leave_system() -> None:
    """Give up gaining privileges and, where the kernel lets us, the network, files and other processes; call it before
    any thread starts.

    Everything a worker needs must be loaded by now, but for what Python imports late: its own folders stay readable.
    """
    library = ctypes.CDLL(None, use_errno=True)
    library.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    # Best effort: containers often forbid it. Only root may leave the network without leaving its user, too.
    library.unshare(_NEW_NETWORK if os.geteuid() == 0 else _NEW_NETWORK | _NEW_USER)
    landlock.give_up_all_but(sys.path)


def bound_resources(limits: InspectionLimits) -> None:
    """Bound memory, forbid writing files, dumping core and starting processes; threads must have started by now."""
    _limit(resource.RLIMIT_AS, limits.memory_bytes)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, 0)
    _limit(resource.RLIMIT_NOFILE, _OPEN_FILES)
    _limit(resource.RLIMIT_NPROC, 0)
    signal.signal(signal.SIGXCPU, _processor_time_spent)


@contextmanager
def processor_time(seconds: int) -> Iterator[None]:
    """Interrupt the block with `ProcessorTimeSpentError` after so many seconds of processor time.

    A library may turn the interruption into an error of its own: any error after that time is the interruption.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    deadline = _at_most(int(_used()) + 1 + seconds, hard)
    resource.setrlimit(resource.RLIMIT_CPU, (deadline, hard))
    try:
        yield
    except Exception as error:
        if _used() >= deadline:
            raise ProcessorTimeSpentError from error
        raise
    finally:
        resource.setrlimit(resource.RLIMIT_CPU, (hard, hard))


def _used() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _limit(what: int, amount: int) -> None:
    _, hard = resource.getrlimit(what)
    amount = _at_most(amount, hard)
    resource.setrlimit(what, (amount, amount))


def _at_most(amount: int, hard: int) -> int:
    return amount if hard == resource.RLIM_INFINITY else min(amount, hard)


def _processor_time_spent(_signal: int, _frame: FrameType | None) -> None:
    raise ProcessorTimeSpentError
