"""One run of a program: how long it took, the processor time and the memory it and all its children used."""

import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from bench.errors import BenchError
from bench.processes import resident_together_mib

_LOOK_SECONDS = 0.04
_KIB_IN_MIB = 1024


@dataclass(frozen=True, slots=True)
class Run:
    """`seconds` from start to end, `cpu` seconds (user and system) of the whole tree of processes, `peak_mib` the most
    that was resident at one time: what processes share is divided among them (PSS). Of one that ended before anybody
    looked it is what its largest process held.
    """

    seconds: float
    cpu: float
    peak_mib: float
    output: bytes = field(repr=False)


def run(command: Sequence[str], environment: Mapping[str, str], statuses: Sequence[int] = (0,)) -> Run:
    """Run `command` to its end. Raises `BenchError` unless its status is one of `statuses`."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        began = time.perf_counter()
        process = subprocess.Popen(
            list(command), env={**environment}, stdout=output, stderr=errors, start_new_session=True
        )
        with _watching(process.pid) as seen:
            _, status, used = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        errors.seek(0)
        if process.returncode not in statuses:
            raise BenchError(f"{command[0]} ended with {process.returncode}: {errors.read().decode()[-500:]}")
        peak = max(seen, default=0.0) or used.ru_maxrss / _KIB_IN_MIB
        return Run(seconds, used.ru_utime + used.ru_stime, peak, output.read())


@contextmanager
def _watching(leader: int) -> Iterator[list[float]]:
    """The memory in MiB of a process and its children, looked at again and again until the caller is done."""
    seen: list[float] = []
    over = threading.Event()

    def look() -> None:
        while not over.wait(_LOOK_SECONDS):
            seen.append(resident_together_mib(leader))

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield seen
    finally:
        over.set()
        looking.join()
