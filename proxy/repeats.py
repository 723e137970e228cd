"""Requests that are byte for byte what was asked a moment ago, answered again without being read again.

    head, and whose -> known? -> does what allowed it still hold? -> record all, answer all, log and count all

What is here decides nothing. The ordinary way reads a request, finds out who asks, and allows it; it hands over what
it found if that was in memory already. From then on it is asked, each time, whether all of this still holds, and as
soon as it does not, the request takes the ordinary way. Requests of one turn of the event loop are answered together at
its end: one write to the audit, one to the log.
"""

import asyncio
import os
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate
from typing import Protocol

from aiohttp import HttpVersion11, hdrs, web

from proxy.clock import Clock
from proxy.registry.gatekeeper import RepeatedLine
from proxy.telemetry.metrics import Metrics
from proxy.telemetry.request_log import RequestLine, log_requests
from storage.errors import StorageUnavailableError

REQUEST_ID = "X-Request-ID"
_MOST = 1024
_MOST_SEEN = 4096
_LONGEST_HEAD = 8192
_KEPT_SECONDS = 5.0
"""Nothing that allows a request is remembered for longer than that unless it is asked for, so neither is the answer."""
_LAST_LINE = b"\r\n\r\n"
_MORE_THAN_A_QUESTION = (
    hdrs.CONTENT_LENGTH,
    hdrs.EXPECT,
    hdrs.TRANSFER_ENCODING,
    hdrs.UPGRADE,
    REQUEST_ID,  # who names each request sends no two that are the same
)
_NOT_THE_SAME_EACH_TIME = {hdrs.DATE.lower(), REQUEST_ID.lower()}
_OK = 200


class Asker(Protocol):
    """A connection."""

    @property
    def lone_head(self) -> bytes | None:
        """The bytes of the request it is answering, if that was a head without a body that came alone."""
        ...

    def answer(self, answer: bytes) -> None:
        """Send an answer."""
        ...

    def read(self, head: bytes) -> None:
        """Take a head the ordinary way."""
        ...


@dataclass(frozen=True, slots=True)
class Answered:
    """A request, and why it was allowed. `address` is the client's; `holds` says whether all of that still holds."""

    route: str
    address: str
    record: RepeatedLine | None
    holds: Callable[[], bool]


@dataclass(slots=True, eq=False)
class Repeat:
    """A remembered answer: its head up to what differs each time, and its body. `key` is what it is found by."""

    key: tuple[bytes, str]
    answered: Answered
    method: str
    path: str
    start: bytes
    body: bytes
    used_at: float


class Repeats:
    """The answers one process remembers. `note` writes lines of the audit, all or, with an error, none of them."""

    def __init__(
        self,
        note: Callable[[bytes], None],
        metrics: Metrics,
        is_draining: Callable[[], bool],
        *,
        clock: Clock,
        monotonic: Callable[[], float],
    ) -> None:
        self._note = note
        self._metrics = metrics
        self._is_draining = is_draining
        self._clock = clock
        self._monotonic = monotonic
        self._known: OrderedDict[tuple[bytes, str], Repeat] = OrderedDict()
        self._seen: OrderedDict[int, None] = OrderedDict()
        self._waiting: list[tuple[Asker, bytes, Repeat]] = []
        self._began = 0.0
        self._date = 0, b""

    def take(self, asker: Asker, head: bytes, peer: str) -> bool:
        """Whether a request will be answered from here, at the end of this turn of the event loop.

        `head` is all that `asker` sent since its last answer, `peer` is who sent it.
        """
        known = self._known.get((head, peer))
        if known is None:
            return False
        if not self._waiting:
            self._began = self._monotonic()
            asyncio.get_running_loop().call_soon(self.flush)
        self._waiting.append((asker, head, known))
        return True

    def flush(self) -> None:
        """Answer everything that waits, or send it the ordinary way."""
        waiting, self._waiting = self._waiting, []
        together: dict[Repeat, list[tuple[Asker, bytes]]] = {}
        for asker, head, repeat in waiting:
            together.setdefault(repeat, []).append((asker, head))
        draining = self._is_draining()
        answerable = {repeat: asking for repeat, asking in together.items() if not draining and repeat.answered.holds()}
        if answerable and not self._answer(answerable):
            answerable = {}
        for repeat in answerable:
            repeat.used_at = self._began
            if self._known.get(repeat.key) is repeat:
                self._known.move_to_end(repeat.key)
        for repeat, asking in together.items():
            if repeat not in answerable:
                self._known.pop(repeat.key, None)
                for asker, head in asking:
                    asker.read(head)

    def is_worth_it(self, request: web.Request) -> bool:
        """Whether a request could be remembered, and came before just as it is."""
        head = _head(request)
        if head is None:
            return False
        key = hash((head, request.remote))
        if key in self._seen:
            return True
        self._seen[key] = None
        if len(self._seen) > _MOST_SEEN:
            self._seen.popitem(last=False)
        return False

    def remember(self, request: web.Request, response: web.StreamResponse, answered: Answered) -> None:
        """Remember an answer that is about to be sent: its headers are complete."""
        head = _head(request)
        body = response.body if isinstance(response, web.Response) else None
        start = _start(response)
        if head is None or start is None or not isinstance(body, bytes):
            return
        now = self._monotonic()
        while self._known and now - next(iter(self._known.values())).used_at >= _KEPT_SECONDS:
            self._known.popitem(last=False)
        sent = b"" if request.method == hdrs.METH_HEAD else body
        path = request.raw_path.partition("?")[0]
        key = head, request.remote or ""
        self._known.pop(key, None)
        self._known[key] = Repeat(key, answered, request.method, path, start, sent, now)
        if len(self._known) > _MOST:
            self._known.popitem(last=False)

    def _answer(self, together: dict[Repeat, list[tuple[Asker, bytes]]]) -> bool:
        """Record, answer, log and count. False if it could not be recorded: then nothing was done."""
        now = self._clock()
        at = now.isoformat()
        ids = os.urandom(16 * sum(map(len, together.values()))).hex()
        named: list[tuple[Repeat, Asker, str]] = []
        lines: list[bytes] = []
        for repeat, asking in together.items():
            record = repeat.answered.record
            if record is not None:
                start = 32 * len(named)
                lines.append(record.line(at, ids[start : start + 32], len(asking)))
            for asker, _ in asking:
                start = 32 * len(named)
                named.append((repeat, asker, ids[start : start + 32]))
        try:
            if lines:
                self._note(b"".join(lines))
        except StorageUnavailableError:
            return False
        date = self._date_line(int(now.timestamp()))
        for repeat, asker, name in named:
            asker.answer(b"%s%s%s%s%s" % (repeat.start, date, name.encode(), _LAST_LINE, repeat.body))
        seconds = self._monotonic() - self._began
        log_requests(
            [
                RequestLine(name, repeat.method, repeat.path, _OK, seconds, repeat.answered.address)
                for repeat, _, name in named
            ]
        )
        for repeat, asking in together.items():
            self._metrics.answered(repeat.method, repeat.answered.route, _OK, (seconds,) * len(asking))
        return True

    def _date_line(self, second: int) -> bytes:
        if self._date[0] != second:
            text = f"{hdrs.DATE}: {formatdate(second, usegmt=True)}\r\n{REQUEST_ID}: "
            self._date = second, text.encode()
        return self._date[1]


def is_lone_head(data: bytes) -> bool:
    """Whether what was received can be the whole of one request that only asks."""
    return (
        len(data) <= _LONGEST_HEAD
        and data.startswith((b"GET /v2/", b"HEAD /v2/"))
        and data.find(_LAST_LINE) == len(data) - len(_LAST_LINE)
    )


def _head(request: web.Request) -> bytes | None:
    asker: Asker | None = request.protocol  # type: ignore[assignment]
    if asker is None or request.version != HttpVersion11:
        return None
    if any(name in request.headers for name in _MORE_THAN_A_QUESTION):
        return None
    return asker.lone_head


def _start(response: web.StreamResponse) -> bytes | None:
    """The head of an answer without its end; None for one that is not like any other of its kind."""
    if response.status != _OK or not response.keep_alive:
        return None
    lines = [f"HTTP/1.1 {_OK} OK"]
    lines += [
        f"{name}: {value}" for name, value in response.headers.items() if name.lower() not in _NOT_THE_SAME_EACH_TIME
    ]
    if any("\r" in line or "\n" in line or "\0" in line for line in lines):
        return None  # aiohttp will refuse to send it
    return ("\r\n".join(lines) + "\r\n").encode()
