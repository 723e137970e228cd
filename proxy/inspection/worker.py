"""The inspection worker: a process that holds no credentials and reads layers from its standard input.

Forked by the `template`, with an empty environment; `framing` says what is spoken.
A refused layer leaves it as good as new. On anything unforeseen it says so and ends, and the pool starts another.
"""

import gc
import io
import sys
from contextlib import suppress
from typing import BinaryIO, NoReturn

from proxy.inspection.confinement import (
    ProcessorTimeSpentError,
    bound_resources,
    give_way,
    leave_system,
    processor_time,
)
from proxy.inspection.framing import (
    ABANDONED,
    FAILED,
    LENGTH,
    READY,
    REFUSED,
    SPENT,
    Refusal,
    facts_replies,
    reply,
)
from proxy.inspection.intake import AbandonedError, IncomingLayer, Intake, PipeClosedError
from scanning.documents import decode, encode
from scanning.errors import LimitExceededError, UnreadableLayerError
from scanning.facts import LayerFacts
from scanning.files.examine import Examiner
from scanning.files.guarded import GuardedExaminer
from scanning.layers.inspect import ArchiveReading
from scanning.layers.limits import MIB, InspectionLimits

_COLLECT_AFTER = 100_000  # allocations: a walk makes many small values and no cycles
_SWITCH_SECONDS = 0.0001
"""How long one stage may keep the other waiting: it only wants to begin its next step in a library."""
_BUFFER_BYTES = 1 * MIB


class _SpentError(Exception):
    """This process has used up what it may use: another has to take its place."""


class Worker:
    """Inspects one layer after the other."""

    def __init__(self, limits: InspectionLimits, intake: Intake, replies: BinaryIO) -> None:
        self._limits = limits
        self._intake = intake
        self._replies = replies

    def serve(self) -> None:
        """Serve until the gate closes the pipe."""
        self._say(reply(READY))
        with suppress(PipeClosedError, _SpentError):
            while True:
                layer = self._intake.next_layer()  # waiting for it costs the layer nothing
                try:
                    self._serve_layer(layer)
                except AbandonedError:
                    self._say(reply(ABANDONED))
                gc.collect()

    def _serve_layer(self, layer: IncomingLayer) -> None:
        try:
            with processor_time(self._limits.cpu_seconds):
                facts = self._inspect(layer)
        except ProcessorTimeSpentError:
            # The interruption may have struck in the middle of a message: refuse, and begin again as a new process.
            self._give_up(LimitExceededError("cpu_seconds", self._limits.cpu_seconds))
        except MemoryError:
            self._give_up(LimitExceededError("memory_bytes", self._limits.memory_bytes))
        except UnreadableLayerError as error:
            layer.discard()
            self._say(reply(REFUSED, encode(Refusal.of(error))))
        else:
            for message in facts_replies(facts):
                self._say(message)

    def _inspect(self, layer: IncomingLayer) -> LayerFacts:
        reading = ArchiveReading(self._limits, GuardedExaminer(Examiner(self._limits)))
        for piece in layer:
            reading.feed(piece)
        return reading.finish(layer.blob)

    def _give_up(self, error: LimitExceededError) -> NoReturn:
        self._say(reply(SPENT, encode(Refusal.of(error))))
        raise _SpentError from None

    def _say(self, message: bytes) -> None:
        self._replies.write(message)
        self._replies.flush()


def main(niceness: int) -> int:
    """Run one worker, which gives way by `niceness`; returns its exit status."""
    requests = io.BufferedReader(io.FileIO(sys.stdin.fileno(), closefd=False), _BUFFER_BYTES)
    replies = sys.stdout.buffer
    head = requests.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return 0
    limits = decode(InspectionLimits, requests.read(*LENGTH.unpack(head)))
    gc.set_threshold(_COLLECT_AFTER)
    sys.setswitchinterval(_SWITCH_SECONDS)
    give_way(niceness)
    leave_system()
    intake = Intake(limits, requests)
    intake.start()
    bound_resources(limits)
    try:
        Worker(limits, intake, replies).serve()
    except Exception as error:  # noqa: BLE001  # the last word of a process: the gate must hear why it ends
        replies.write(reply(FAILED, f"{type(error).__name__}: {error}".encode()[:2000]))
        replies.flush()
        return 1
    return 0
