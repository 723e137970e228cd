"""Servers in processes of their own: started, waited for, measured, and ended with all their children."""

import http.client
import os
import signal
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from bench.errors import BenchError

_START_SECONDS = 120
_STOP_SECONDS = 40
_TICKS = os.sysconf("SC_CLK_TCK")
_KIB_IN_MIB = 1024
_PAGE_MIB = os.sysconf("SC_PAGE_SIZE") / (1 << 20)


@dataclass(frozen=True, slots=True)
class Server:
    """A running server, over TLS if there is a `tls` to ask it with. It leads a session, so that its children are found
    whatever becomes of it.
    """

    name: str
    url: str
    leader: int
    tls: ssl.SSLContext | None = field(default=None, repr=False)

    @property
    def port(self) -> int:
        """Where it listens on 127.0.0.1."""
        return int(self.url.rpartition(":")[2])

    def cpu_seconds(self) -> float:
        """Processor time used so far by the server and its children that live."""
        return sum(int(fields[11]) + int(fields[12]) for _, fields in family(self.leader)) / _TICKS

    def resident_mib(self) -> float:
        """Resident memory now of the process that was started, all of what it shares counted."""
        return sum(int(fields[21]) for process, fields in family(self.leader) if process == self.leader) * _PAGE_MIB

    def resident_together_mib(self) -> float:
        """Resident memory now of the server with its children, what they share counted once."""
        return resident_together_mib(self.leader)


def free_or_refuse(port: int) -> int:
    """The port, if nobody has it. Raises `BenchError`: a stray server of an earlier run would be measured instead."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise BenchError(
                f"port {port} is in use, perhaps by a server that an earlier run left behind; end it, or choose other"
                " ports with --first-port"
            ) from error
    return port


@contextmanager
def serving(
    name: str,
    command: Sequence[str],
    port: int,
    log: Path,
    *,
    ready: str = "/",
    environment: Mapping[str, str] | None = None,
    tls: ssl.SSLContext | None = None,
) -> Iterator[Server]:
    """Run a server while the caller measures it. `ready` is the path it answers once it serves."""
    free_or_refuse(port)
    url = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
    with running(name, command, log, partial(_answers, url + ready, tls), environment=environment) as leader:
        yield Server(name, url, leader, tls)


@contextmanager
def running(
    name: str,
    command: Sequence[str],
    log: Path,
    answers: Callable[[], bool],
    *,
    environment: Mapping[str, str] | None = None,
) -> Iterator[int]:
    """Run a program, and wait until it answers; gives its process id, and ends it with all its children."""
    with (
        log.open("ab") as output,
        subprocess.Popen(
            list(command), stdout=output, stderr=output, start_new_session=True, env={**(environment or os.environ)}
        ) as process,
    ):
        try:
            _wait(name, answers, process, log)
            yield process.pid
        finally:
            _end(name, process)


def _answers(address: str, tls: ssl.SSLContext | None) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5, context=tls):  # noqa: S310 - our own server
            return True
    except urllib.error.HTTPError as answer:
        answer.close()
        return True
    except (OSError, http.client.HTTPException):  # the latter where a connection met itself
        return False


def _wait(name: str, answers: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        if answers():
            return
        time.sleep(0.05)
    raise BenchError(f"{name} did not start; the end of its log: {log.read_text(errors='replace')[-1000:]}")


def _end(name: str, process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    deadline = time.monotonic() + _STOP_SECONDS
    while strays := [stray for stray, _ in family(process.pid)]:
        if time.monotonic() > deadline:
            for stray in strays:
                os.kill(stray, signal.SIGKILL)
            raise BenchError(f"{name} left processes behind, which were killed: {strays}")
        time.sleep(0.05)


def family(leader: int) -> list[tuple[int, list[str]]]:
    """The living processes of the leader's session, and their children wherever they went; each with the fields of
    /proc/PID/stat from the third on (proc(5)).
    """
    found = {process: fields for process, fields in _processes() if fields[0] not in "ZX"}
    family = {process for process, fields in found.items() if int(fields[3]) == leader or process == leader}
    while more := {process for process, fields in found.items() if int(fields[1]) in family} - family:
        family |= more
    return [(process, found[process]) for process in family]


def resident_together_mib(leader: int) -> float:
    """Resident memory now of a process and its family: what processes share is divided among them (PSS)."""
    return sum(share for process, _ in family(leader) for share in _share_mib(process))


def _share_mib(process: int) -> Iterator[float]:
    with suppress(OSError, ValueError):  # it may end meanwhile
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                yield int(line.split()[1]) / _KIB_IN_MIB


def _processes() -> Iterator[tuple[int, list[str]]]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with suppress(FileNotFoundError, ProcessLookupError):
                yield int(entry.name), (entry / "stat").read_text().rpartition(")")[2].split()
