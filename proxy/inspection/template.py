"""The template: a process that has loaded all that an inspection worker needs, and forks itself for each.

Run as `python -I -m proxy.inspection.template` with an empty environment by the gate, or for several by their
supervisor; `nursery` is the other side.
A worker made so is ready in milliseconds, and what it does not change it shares with all others. The template never
reads a byte of a layer. `forking` says what it hears, over the socket that it has as standard input.
"""

import errno
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


class _Template:
    """Whom it serves."""

    def __init__(self) -> None:
        self._gates: dict[int, _Gate] = {}
        self._waiting = select.poll()

    def join(self, control: socket.socket) -> None:
        """Serve one more gate, and say that it can ask."""
        self._gates[control.fileno()] = gate = _Gate(control)
        self._waiting.register(control, select.POLLIN)
        gate.tell(READY)

    def serve(self) -> int | None:
        """Answer until every gate is gone. Gives None then, and in each worker its exit status, once it has served."""
        while self._gates:
            for descriptor, _ in self._waiting.poll():
                gate = self._gates[descriptor]
                kind, number, given = _request(gate.control)
                answer = None
                if kind == FORK and len(given) < STANDARD:  # the system gives no more descriptors just now
                    answer = -errno.EMFILE
                elif kind == FORK:
                    answer = _fork()
                    if answer == 0:
                        for each in self._gates.values():
                            each.control.close()
                        return _be_worker(given, number)
                    if answer > 0:
                        gate.workers.add(answer)
                elif kind == REAP and number in gate.workers:
                    _, status = os.waitpid(number, 0)
                    gate.workers.discard(number)
                    answer = os.waitstatus_to_exitcode(status)
                elif kind == JOIN and given:
                    self.join(socket.socket(fileno=given.pop()))
                elif kind != JOIN:  # who was to join and has no socket is told by its end
                    self._waiting.unregister(descriptor)
                    self._gates.pop(descriptor).part()
                _close(given)  # before the answer: then only the worker holds its ends
                if answer is not None:
                    gate.tell(answer)
        return None


def _request(control: socket.socket) -> tuple[bytes, int, list[int]]:
    """The next request, its number, and what came with it. No kind: the gate is gone, or asked nothing whole."""
    try:
        request, descriptors, _, _ = socket.recv_fds(control, REQUEST.size, STANDARD)
    except OSError:
        request, descriptors = b"", []
    kind, number = REQUEST.unpack(request) if len(request) == REQUEST.size else (b"", 0)
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
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # whoever ignored it (trap '' CHLD) would leave no worker to reap
    control = socket.socket(fileno=os.dup(sys.stdin.fileno()))
    # What is made ready at its first use is made ready here, once for all.
    prepare(InspectionLimits, Refusal, Part, LayerFacts)
    sought.prepare()
    gc.collect()
    gc.freeze()  # looking for garbage would make each worker a copy of its own of what they share
    template = _Template()
    template.join(control)
    return template.serve() or 0


if __name__ == "__main__":
    os._exit(main())  # at once: a worker's intake may be in the middle of a layer
