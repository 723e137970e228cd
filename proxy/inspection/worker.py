"""The inspection worker: a process that holds no credentials and reads layers from its standard input.

Run by the pool as `python -I -m proxy.inspection.worker` with an empty environment; `framing` says what is spoken.
A refused layer leaves it as good as new. On anything unforeseen it says so and ends, and the pool starts another.
"""

import gc
import sys
from typing import BinaryIO, NoReturn

from proxy.inspection.confinement import ProcessorTimeSpentError, confine, processor_time
from proxy.inspection.framing import (
    ABANDON_LENGTH,
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
from scanning.documents import decode, encode
from scanning.errors import LimitExceededError, UnreadableLayerError
from scanning.facts import FileEntry, FileFinds, LayerFacts
from scanning.files import examine
from scanning.layers.inspect import FileExamination, LayerInspection
from scanning.layers.limits import InspectionLimits

_COLLECT_AFTER = 100_000  # allocations: a walk makes many small values and no cycles


class _AbandonedError(Exception):
    """The gate lost interest in the layer."""


class _EndError(Exception):
    """There is nothing more to do: the gate closed the pipe, or this process is spent."""


class _Examiner:
    """`scanning.files.examine` under the limits of this gate."""

    def __init__(self, file_bytes: int) -> None:
        self._file_bytes = file_bytes

    def begin(self, entry: FileEntry) -> FileExamination | None:
        return examine.begin(entry, self._file_bytes)

    def examine_link(self, entry: FileEntry) -> FileFinds | None:
        return examine.examine_link(entry)


class Worker:
    """Inspects one layer after the other."""

    def __init__(self, limits: InspectionLimits, requests: BinaryIO, replies: BinaryIO) -> None:
        self._limits = limits
        self._requests = requests
        self._replies = replies
        self._at_end = False  # whether the layer's END has been read

    def serve(self) -> None:
        """Serve until the gate closes the pipe."""
        self._say(reply(READY))
        try:
            while True:
                try:
                    self._serve_layer()
                except _AbandonedError:
                    self._say(reply(ABANDONED))
                gc.collect()
        except _EndError:
            return

    def _serve_layer(self) -> None:
        first = self._next_chunk()  # waiting for it costs the layer nothing
        try:
            with processor_time(self._limits.cpu_seconds):
                facts = self._inspect(first)
        except ProcessorTimeSpentError:
            # The interruption may have struck in the middle of a message: refuse, and begin again as a new process.
            self._give_up(LimitExceededError("cpu_seconds", self._limits.cpu_seconds))
        except MemoryError:
            self._give_up(LimitExceededError("memory_bytes", self._limits.memory_bytes))
        except UnreadableLayerError as error:
            self._say(reply(REFUSED, encode(Refusal.of(error))))
            self._drop_chunks()
        else:
            for message in facts_replies(facts):
                self._say(message)

    def _inspect(self, chunk: bytes) -> LayerFacts:
        inspection = LayerInspection(self._limits, _Examiner(self._limits.file_bytes))
        while chunk:
            inspection.feed(chunk)
            chunk = self._next_chunk()
        return inspection.finish()

    def _give_up(self, error: LimitExceededError) -> NoReturn:
        self._say(reply(SPENT, encode(Refusal.of(error))))
        raise _EndError from None

    def _drop_chunks(self) -> None:
        """Read on to the end of a layer that has had its reply; a refusal can also come of the end itself."""
        try:
            while not self._at_end:
                self._next_chunk()
        except _AbandonedError:
            return

    def _next_chunk(self) -> bytes:
        """The next bytes of the layer, none at its end."""
        (length,) = LENGTH.unpack(_read(self._requests, LENGTH.size))
        if length == ABANDON_LENGTH:
            raise _AbandonedError
        self._at_end = length == 0
        return _read(self._requests, length)

    def _say(self, message: bytes) -> None:
        self._replies.write(message)
        self._replies.flush()


def _read(stream: BinaryIO, count: int) -> bytes:
    data = stream.read(count)
    if len(data) < count:
        raise _EndError
    return data


def main() -> int:
    """Run one worker; returns its exit status."""
    requests, replies = sys.stdin.buffer, sys.stdout.buffer
    try:
        limits = decode(InspectionLimits, _read(requests, *LENGTH.unpack(_read(requests, LENGTH.size))))
    except _EndError:
        return 0
    gc.set_threshold(_COLLECT_AFTER)
    confine(limits)
    try:
        Worker(limits, requests, replies).serve()
    except Exception as error:  # noqa: BLE001  # the last word of a process: the gate must hear why it ends
        replies.write(reply(FAILED, f"{type(error).__name__}: {error}".encode()[:2000]))
        replies.flush()
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
