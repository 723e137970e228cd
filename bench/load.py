"""Load that is not the bottleneck: wrk for small answers, threads that hardly do more than receive for the rest."""

import http.client
import json
import queue
import re
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import quantiles
from urllib.parse import urlencode, urlsplit

from bench.errors import BenchError
from bench.peers import tool
from bench.processes import Server
from scanning.oci.digest import Digest
from scanning.oci.names import Repository

_PIECE = 1 << 20
_PATIENCE_SECONDS = 60
_UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 60e3}
_LENGTH = re.compile(rb"(?i)\r\ncontent-length: (\d+)")


@dataclass(frozen=True, slots=True)
class Rate:
    """How many answers came, and how fast. Latencies in milliseconds."""

    per_second: float
    requests: int
    p50: float
    p99: float


@dataclass(frozen=True, slots=True)
class Question:
    """A GET."""

    path: str
    headers: Mapping[str, str]


def requests(server: Server, path: str, headers: Mapping[str, str], *, connections: int, seconds: float) -> Rate:
    """Ask for the same path again and again. Raises `BenchError` if an answer is not 200."""
    given = [part for name, value in headers.items() for part in ("--header", f"{name}: {value}")]
    return _wrk(server.url + path, given, connections, seconds)


def questions(server: Server, asked: Sequence[Question], *, connections: int, seconds: float) -> Rate:
    """Ask one after the other, again and again in the same order, each on whichever connection is free.

    Raises `BenchError` if an answer is not 200.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(_script(asked))
        script.flush()
        return _wrk(server.url, ["--script", script.name], connections, seconds)


def _script(asked: Sequence[Question]) -> str:
    """What wrk is to send, as a program for it; JSON's strings of ASCII are Lua's."""
    lines = ["local asked = {}"]
    for question in asked:
        headers = ", ".join(f"[{json.dumps(name)}] = {json.dumps(value)}" for name, value in question.headers.items())
        lines.append(f"asked[#asked + 1] = {{{json.dumps(question.path)}, {{{headers}}}}}")
    lines += [
        "local made, next = {}, 0",
        "function init()",
        "  for number, one in ipairs(asked) do made[number] = wrk.format('GET', one[1], one[2]) end",
        "end",
        "function request()",
        "  next = next % #made + 1",
        "  return made[next]",
        "end",
    ]
    return "\n".join(lines) + "\n"


def _wrk(url: str, further: Sequence[str], connections: int, seconds: float) -> Rate:
    command = [tool("wrk", "wrk"), "--latency", "--threads", "1", "--connections", str(connections)]
    command += ["--duration", f"{max(1, round(seconds))}s", "--timeout", f"{_PATIENCE_SECONDS}s", *further, url]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    said = done.stdout
    failed = re.search(r"Non-2xx or 3xx responses: \d+|Socket errors: .*", said)
    if done.returncode != 0 or failed:
        raise BenchError(f"wrk did not get what it asked {url} for: {failed[0] if failed else done.stderr or said}")
    return Rate(
        float(_found(r"Requests/sec:\s+([\d.]+)", said)),
        int(_found(r"(\d+) requests in", said)),
        _milliseconds(_found(r"(?m)^\s+50%\s+(\S+)\s*$", said)),
        _milliseconds(_found(r"(?m)^\s+99%\s+(\S+)\s*$", said)),
    )


def _found(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    if found is None:
        raise BenchError(f"wrk's report cannot be read: {text}")
    return found[found.re.groups]


def _milliseconds(text: str) -> float:
    number = _found(r"[\d.]+", text)
    return float(number) * _UNITS[text.removeprefix(number)]


def each_once(server: Server, paths: Sequence[str], headers: Mapping[str, str], *, connections: int) -> Rate:
    """Ask for every path once. Raises `BenchError` if an answer is not 200."""
    waiting = queue.SimpleQueue[str]()
    for path in paths:
        waiting.put(path)
    took: list[float] = []

    def ask(connection: socket.socket, _number: int) -> None:
        while True:
            try:
                path = waiting.get_nowait()
            except queue.Empty:
                return
            began = time.perf_counter()
            for _ in _receive(connection, _request(server, path, headers)):
                pass
            took.append((time.perf_counter() - began) * 1e3)

    with _connected(server, connections, ask) as started:
        pass
    elapsed = time.perf_counter() - started
    cuts = quantiles(took * 2, n=100)  # twice, since one value has no quantiles
    return Rate(len(took) / elapsed, len(took), cuts[49], cuts[98])


@dataclass(frozen=True, slots=True)
class Volume:
    """What was carried: bytes, in how many seconds."""

    carried: int
    seconds: float

    @property
    def megabytes_per_second(self) -> float:
        """Millions of bytes per second."""
        return self.carried / self.seconds / 1e6


def downloads(
    server: Server, path: str, headers: Mapping[str, str], size: int, *, streams: int, seconds: float
) -> Volume:
    """Download the same blob on `streams` connections again and again; every answer must have `size` bytes.

    What is under way when the time is over is counted as far as it came. The time is longer where nothing has come yet.
    """
    counts = [0] * streams
    begun, over = threading.Event(), threading.Event()

    def stream(connection: socket.socket, number: int) -> None:
        try:
            while not over.is_set():
                for received in _receive(connection, _request(server, path, headers), size):
                    counts[number] += received
                    if received:
                        begun.set()
                    if over.is_set():
                        return
        finally:
            begun.set()

    with _connected(server, streams, stream) as started:
        over.wait(seconds)
        begun.wait()  # every stream comes to an end, or begins, within its own patience
        received, elapsed = sum(counts), time.perf_counter() - started
        over.set()
    return Volume(received, elapsed)


def uploads(
    server: Server, repository: Repository, blobs: Sequence[tuple[Digest, bytes]], headers: Mapping[str, str]
) -> Volume:
    """Upload all blobs at the same time, each on a connection of its own: POST, then PUT of the whole."""
    waiting = queue.SimpleQueue[tuple[Digest, bytes]]()
    for blob in blobs:
        waiting.put(blob)

    def upload(connection: socket.socket, _number: int) -> None:
        digest, blob = waiting.get_nowait()
        client = http.client.HTTPConnection("127.0.0.1", server.port)
        client.sock = connection
        client.request("POST", f"/v2/{repository}/blobs/uploads/", headers={**headers, "Content-Length": "0"})
        location = urlsplit(_answer(client, 202))
        query = f"{location.query}&" if location.query else ""
        octets = {**headers, "Content-Type": "application/octet-stream"}
        client.request("PUT", f"{location.path}?{query}{urlencode({'digest': str(digest)})}", blob, octets)
        _answer(client, 201)

    with _connected(server, len(blobs), upload) as started:
        pass
    return Volume(sum(len(blob) for _, blob in blobs), time.perf_counter() - started)


def broken_uploads(
    server: Server, repository: Repository, blob: bytes, headers: Mapping[str, str], *, streams: int, seconds: float
) -> Volume:
    """Upload the same bytes on `streams` connections again and again, and break off when the time is over."""
    counts = [0] * streams
    over = threading.Event()

    def stream(connection: socket.socket, number: int) -> None:
        client = http.client.HTTPConnection("127.0.0.1", server.port)
        client.sock = connection
        while not over.is_set():
            client.request("POST", f"/v2/{repository}/blobs/uploads/", headers={**headers, "Content-Length": "0"})
            location = urlsplit(_answer(client, 202))
            client.putrequest("PATCH", f"{location.path}{'?' if location.query else ''}{location.query}")
            octets = {"Content-Type": "application/octet-stream", "Content-Length": str(len(blob))}
            for name, value in {**headers, **octets}.items():
                client.putheader(name, value)
            client.endheaders()
            for start in range(0, len(blob), _PIECE):
                if over.is_set():
                    return
                connection.sendall(memoryview(blob)[start : start + _PIECE])
                counts[number] += min(_PIECE, len(blob) - start)
            _answer(client, 202)

    with _connected(server, streams, stream) as started:
        over.wait(seconds)
        sent, elapsed = sum(counts), time.perf_counter() - started
        over.set()
    return Volume(sent, elapsed)


def _answer(client: http.client.HTTPConnection, status: int) -> str:
    """The Location of an answer, which is read whole."""
    response = client.getresponse()
    body = response.read()
    if response.status != status:
        raise BenchError(f"not the answer that was to be measured: {response.status} {body[:300]!r}")
    return response.headers["Location"]


@contextmanager
def _connected(server: Server, connections: int, work: Callable[[socket.socket, int], None]) -> Iterator[float]:
    """Connections at `work`, each in a thread; gives the time they began at, and waits for them when it is left."""
    failures: list[Exception] = []
    begin = threading.Barrier(connections + 1)

    def connect_and_work(number: int) -> None:
        try:
            with _connection(server) as connection:
                begin.wait(_PATIENCE_SECONDS)
                work(connection, number)
        except (OSError, BenchError) as error:
            failures.append(error)

    threads = [threading.Thread(target=connect_and_work, args=(number,)) for number in range(connections)]
    for thread in threads:
        thread.start()
    begin.wait(_PATIENCE_SECONDS)
    try:
        yield time.perf_counter()
    finally:
        for thread in threads:
            thread.join()
    if failures:
        raise BenchError(f"{server.name} did not serve what was asked: {failures[0]}") from failures[0]


def _connection(server: Server) -> socket.socket:
    plain = socket.create_connection(("127.0.0.1", server.port), timeout=_PATIENCE_SECONDS)
    return server.tls.wrap_socket(plain, server_hostname="127.0.0.1") if server.tls else plain


def _request(server: Server, path: str, headers: Mapping[str, str]) -> bytes:
    given = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n{given}\r\n".encode()


def _receive(connection: socket.socket, request: bytes, size: int | None = None) -> Iterator[int]:
    """Send a request, and give the count of each piece of its answer's body, of `size` bytes if that is given."""
    buffer = memoryview(bytearray(_PIECE))
    connection.sendall(request)
    head = b""
    while b"\r\n\r\n" not in head:
        count = connection.recv_into(buffer)
        if not count:
            raise BenchError("the connection was closed before the answer")
        head += buffer[:count]
    head, _, body = head.partition(b"\r\n\r\n")
    length = _LENGTH.search(head)
    if not head.startswith(b"HTTP/1.1 200") or length is None or size not in (None, int(length[1])):
        raise BenchError(f"not the answer that was to be measured: {head[:300]!r}")
    yield len(body)
    left = int(length[1]) - len(body)
    while left:
        count = connection.recv_into(buffer, min(left, _PIECE))
        if not count:
            raise BenchError(f"the answer was cut short by {left} bytes")
        left -= count
        yield count
