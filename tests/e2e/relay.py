"""A TCP relay in front of a gate that cuts a connection in the middle, as a bad network does."""

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum

_RANGE = re.compile(rb"^range: bytes=(\d+)-", re.IGNORECASE | re.MULTILINE)


class Way(Enum):
    """Which bytes are counted."""

    UP = "from the client"
    DOWN = "to the client"


@dataclass(eq=False)
class Cut:
    """One cut to make: in the first connection in which more than `after` bytes go one way."""

    way: Way
    after: int
    made: bool = False


class CuttingRelay:
    """Passes everything on until it is told to cut."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._lock = threading.Lock()
        self._cut = Cut(Way.UP, 0, made=True)
        self.resumed_at: list[int] = []
        """Where clients asked ranges to begin since the last `cut`."""

    @property
    def host(self) -> str:
        """What stands before the repository in a reference."""
        return f"127.0.0.1:{self.port}"

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._listener.getsockname()[1])

    def cut(self, way: Way, after: int) -> Cut:
        """Cut once, soon."""
        self.resumed_at = []
        self._cut = Cut(way, after)
        return self._cut

    def serve(self) -> None:
        """Take connections until `close`."""
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            gate = socket.create_connection(("127.0.0.1", self._target))
            for way, source, sink in ((Way.UP, client, gate), (Way.DOWN, gate, client)):
                threading.Thread(target=self._pass, args=(way, source, sink), daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _pass(self, way: Way, source: socket.socket, sink: socket.socket) -> None:
        cut, passed = self._cut, 0
        try:
            while data := source.recv(65536):
                if way is Way.UP:
                    self.resumed_at += [int(start) for start in _RANGE.findall(data)]
                if cut is not self._cut:  # a connection that was there before
                    cut, passed = self._cut, 0
                if way is cut.way and passed + len(data) > cut.after and self._make(cut):
                    sink.sendall(data[: cut.after - passed])
                    source.shutdown(socket.SHUT_RDWR)
                    break
                sink.sendall(data)
                passed += len(data)
            sink.shutdown(socket.SHUT_RDWR)
        except OSError:  # the other direction has ended both
            pass
        finally:
            source.close()

    def _make(self, cut: Cut) -> bool:
        with self._lock:
            first, cut.made = not cut.made, True
            return first


@contextmanager
def relay_to(port: int) -> Iterator[CuttingRelay]:
    """A relay to a port of this machine while the block runs."""
    relay = CuttingRelay(port)
    thread = threading.Thread(target=relay.serve)
    thread.start()
    try:
        yield relay
    finally:
        relay.close()
        thread.join()
