"""The template: a process that has loaded all that an inspection worker needs, and forks itself for each.

Run as `python -I -m proxy.inspection.template` with an empty environment by the gate, or for several by their
supervisor; `nursery` is the other side.
A worker made so is ready in milliseconds, and what it does not change it shares with all others. The template never
reads a byte of a layer. `forking` says what it hears, over the socket that it has as standard input.
"""

import gc
import os
import select
import signal
import socket
import sys
from collections.abc import Iterable
from contextlib import suppress

from proxy.inspection import worker
from proxy.inspection.ends import kill_session
from proxy.inspection.forking import ANSWER, FORK, JOIN, READY, REAP, REQUEST, STANDARD
from proxy.inspection.framing import Part, Refusal
from scanning.documents import prepare
from scanning.facts import LayerFacts
from scanning.files import sought
from scanning.layers.limits import InspectionLimits


class _Gate:
    """One end of a socket with a gate at the other, and the workers that were forked for it and not reaped yet."""

    def __init__(self, control: socket.socket) -> None:
        self.control = control
        self.workers: set[int] = set()

    def tell(self, number: int) -> None:
        """Answer; a gate that is gone is noticed when it is listened to."""
        with suppress(OSError):
            self.control.sendall(ANSWER.pack(number))

    def part(self) -> None:
        """It is gone: nobody reads what its workers would find."""
        self.control.close()
        for process in self.workers:
            kill_session(process)
            os.waitpid(process, 0)


def serve(control: socket.socket) -> int | None:
    """Answer until every gate is gone. Gives None then, and in each worker its exit status, once it has served."""
    gates: dict[int, _Gate] = {}
    waiting = select.poll()

    def join(control: socket.socket) -> None:
        gates[control.fileno()] = gate = _Gate(control)
        waiting.register(control, select.POLLIN)
        gate.tell(READY)

    join(control)
    while gates:
        for descriptor, _ in waiting.poll():
            gate = gates[descriptor]
            kind, number, given = _request(gate.control)
            if kind == FORK:
                process = _fork()
                if process == 0:
                    for each in gates.values():
                        each.control.close()
                    return _be_worker(given, number)
                if process > 0:
                    gate.workers.add(process)
                gate.tell(process)
            elif kind == REAP:
                _, status = os.waitpid(number, 0)
                gate.workers.discard(number)
                gate.tell(os.waitstatus_to_exitcode(status))
            elif kind == JOIN:
                join(socket.socket(fileno=given.pop()))
            else:
                waiting.unregister(descriptor)
                gates.pop(descriptor).part()
            _close(given)
    return None


def _request(control: socket.socket) -> tuple[bytes, int, list[int]]:
    """The next request, its number, and what came with it; without a kind if the gate is gone."""
    try:
        request, descriptors, _, _ = socket.recv_fds(control, REQUEST.size, STANDARD)
    except OSError:
        request, descriptors = b"", []
    kind, number = REQUEST.unpack(request) if request else (b"", 0)
    return kind, number, descriptors


def _fork() -> int:
    try:
        return os.fork()
    except OSError as error:
        return -(error.errno or 1)


def _close(descriptors: Iterable[int]) -> None:
    for each in descriptors:
        os.close(each)


def _be_worker(descriptors: list[int], niceness: int) -> int:
    os.setsid()
    for standard, given in enumerate(descriptors):
        os.dup2(given, standard)
    os.closerange(STANDARD, max(descriptors) + 1)
    return worker.main(niceness)


def main() -> int:
    """Run the template, and after each fork the worker; returns the exit status."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())  # a supervisor waits for signals that it has blocked
    control = socket.socket(fileno=os.dup(sys.stdin.fileno()))
    # What is made ready at its first use is made ready here, once for all.
    prepare(InspectionLimits, Refusal, Part, LayerFacts)
    sought.prepare()
    gc.collect()
    gc.freeze()  # looking for garbage would make each worker a copy of its own of what they share
    return serve(control) or 0


if __name__ == "__main__":
    os._exit(main())  # at once: a worker's intake may be in the middle of a layer
