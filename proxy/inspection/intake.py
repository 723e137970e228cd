"""The first stage of an inspection, in a thread of its own: takes layers from the pipe and unpacks them.

    pipe -> Intake -> IncomingLayer, some pieces ahead -> whoever reads the archive

Reading a pipe, hashing and inflating let other threads run, and so does much of what the second stage does: two
processors are shared well. What goes wrong here is told to the second stage in its turn, after the pieces before it,
so that a layer is refused for the same reason as if one thread had read it.
"""

import signal
from collections.abc import Iterator
from contextlib import suppress
from queue import Empty, Queue, SimpleQueue
from threading import Thread
from typing import BinaryIO

from proxy.inspection.framing import ABANDON_LENGTH, LENGTH
from scanning.layers.compression import FrameStart
from scanning.layers.inspect import BlobFacts, Unpacking
from scanning.layers.limits import KIB, InspectionLimits

_PIECES_AHEAD = 4
_GATHERED_BYTES = 256 * KIB
"""What is unpacked at once. Each step waits for its turn among the threads, so few large ones are faster."""


class AbandonedError(Exception):
    """The gate lost interest in the layer."""


class PipeClosedError(Exception):
    """There is nothing more to do: the gate closed the pipe."""


class IncomingLayer:
    """One layer as its archive arrives. Iterate over its pieces, and then ask for its `blob`; or `discard` it.

    Iterating raises `UnreadableLayerError` and its kinds, `AbandonedError` and `PipeClosedError`.
    """

    def __init__(self) -> None:
        self._pieces: Queue[bytes | FrameStart | BlobFacts | BaseException] = Queue(_PIECES_AHEAD)
        self.is_wanted = True
        self._blob: BlobFacts | None = None

    def __iter__(self) -> Iterator[bytes | FrameStart]:
        while True:
            piece = self._pieces.get()
            if isinstance(piece, bytes | FrameStart):
                yield piece
            elif isinstance(piece, BlobFacts):
                self._blob = piece
                return
            else:
                raise piece

    @property
    def blob(self) -> BlobFacts:
        """What the first stage computed. Only there when every piece was taken."""
        if self._blob is None:
            raise LookupError("the layer has not been read to its end")
        return self._blob

    def discard(self) -> None:
        """Want no more of it: what still comes is read and dropped."""
        self.is_wanted = False
        with suppress(Empty):
            while True:  # room for the one piece that may be waiting; no other follows it
                self._pieces.get_nowait()

    def tell(self, piece: bytes | FrameStart | BlobFacts | BaseException) -> None:
        """For the first stage: hand over what comes next; waits while the second is behind."""
        if self.is_wanted:
            self._pieces.put(piece)

    def tell_last(self, error: BaseException) -> None:
        """For the first stage: hand over why nothing more comes."""
        self.tell(error)
        self.is_wanted = False


class Intake(Thread):
    """Reads layers from `requests` until the gate closes it, and then ends. Ask for them with `next_layer`."""

    def __init__(self, limits: InspectionLimits, requests: BinaryIO) -> None:
        super().__init__(name="intake", daemon=True)  # it may wait for the pipe when the process has to end
        self._limits = limits
        self._requests = requests
        self._layers: SimpleQueue[IncomingLayer | None] = SimpleQueue()

    def next_layer(self) -> IncomingLayer:
        """Wait for the next layer to begin. Raises `PipeClosedError` when there are no more."""
        layer = self._layers.get()
        if layer is None:
            raise PipeClosedError
        return layer

    def run(self) -> None:
        """Take layer after layer."""
        # The interruption when processor time is spent must reach the thread that can raise it, even while it waits.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGXCPU})
        with suppress(PipeClosedError):
            while self._take_layer():
                pass
        self._layers.put(None)

    def _take_layer(self) -> bool:
        """Take one layer. Returns whether another can follow."""
        length = self._next_length()
        layer = IncomingLayer()
        self._layers.put(layer)
        try:
            self._unpack(layer, length)
        except BaseException as error:  # noqa: BLE001  # out of step with the gate: the second stage has to end it
            layer.tell_last(error)
            return False
        return True

    def _unpack(self, layer: IncomingLayer, length: int) -> None:
        unpacking = Unpacking(self._limits)
        while 0 < length < ABANDON_LENGTH:
            chunk, length = self._gather(length)
            _pass_on(layer, unpacking.feed(chunk))
        if length == ABANDON_LENGTH:
            layer.tell_last(AbandonedError())
        _pass_on(layer, unpacking.finish())
        layer.tell(unpacking.blob)

    def _gather(self, length: int) -> tuple[bytes, int]:
        """Read a message of this length and as many after it as are worth a step; gives the next one's length."""
        parts, size = [], 0
        while 0 < length < ABANDON_LENGTH and size < _GATHERED_BYTES:
            parts.append(self._read(length))
            size += length
            length = self._next_length()
        return b"".join(parts), length

    def _next_length(self) -> int:
        (length,) = LENGTH.unpack(self._read(LENGTH.size))
        return int(length)

    def _read(self, count: int) -> bytes:
        data = self._requests.read(count)
        if len(data) < count:
            raise PipeClosedError
        return data


def _pass_on(layer: IncomingLayer, pieces: Iterator[bytes | FrameStart]) -> None:
    while layer.is_wanted:
        try:
            piece = next(pieces, None)
        except BaseException as error:  # noqa: BLE001  # whatever it is, the second stage has to hear of it
            layer.tell_last(error)
            return
        if piece is None:
            return
        layer.tell(piece)
