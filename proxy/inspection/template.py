"""The template: a process that has loaded all that an inspection worker needs, and forks itself for each.

Run by the gate as `python -I -m proxy.inspection.template` with an empty environment; `nursery` is the other side.
A worker made so is ready in milliseconds, and what it does not change it shares with all others. The template never
reads a byte of a layer. `forking` says what it hears, over the socket that it has as standard input.
"""

import gc
import os
import socket
import sys

from proxy.inspection import worker
from proxy.inspection.forking import ANSWER, READY, REAP, REQUEST, STANDARD
from proxy.inspection.framing import Part, Refusal
from scanning.documents import prepare
from scanning.facts import LayerFacts
from scanning.files.examine import Examiner
from scanning.layers.limits import InspectionLimits


def serve(control: socket.socket) -> int | None:
    """Answer until the gate is gone. Gives None then, and in each worker its exit status, once it has served."""
    control.sendall(ANSWER.pack(READY))
    while True:
        request, descriptors, _, _ = socket.recv_fds(control, REQUEST.size, STANDARD)
        if not request:
            return None
        kind, number = REQUEST.unpack(request)
        if kind == REAP:
            _, status = os.waitpid(number, 0)
            answer = os.waitstatus_to_exitcode(status)
        else:
            try:
                answer = os.fork()
            except OSError as error:
                answer = -(error.errno or 1)
            if answer == 0:
                control.close()
                return _be_worker(descriptors, number)
            for each in descriptors:
                os.close(each)
        control.sendall(ANSWER.pack(answer))


def _be_worker(descriptors: list[int], niceness: int) -> int:
    os.setsid()
    for standard, given in enumerate(descriptors):
        os.dup2(given, standard)
    os.closerange(STANDARD, max(descriptors) + 1)
    return worker.main(niceness)


def main() -> int:
    """Run the template, and after each fork the worker; returns the exit status."""
    control = socket.socket(fileno=os.dup(sys.stdin.fileno()))
    # What is made ready at its first use is made ready here, once for all.
    prepare(InspectionLimits, Refusal, Part, LayerFacts)
    Examiner().look_at(b"\n")
    gc.collect()
    gc.freeze()  # looking for garbage would make each worker a copy of its own of what they share
    return serve(control) or 0


if __name__ == "__main__":
    os._exit(main())  # at once: a worker's intake may be in the middle of a layer
