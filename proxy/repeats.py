"""Requests for what was asked for a moment ago, answered again without being read again.

    head, and whose -> known?           -> does what allowed it still hold? -> record all, answer all, log and count all
                    -> all parts known? -> is it allowed, as far as that can be told at once?

What is here decides nothing. The ordinary way reads a request, finds out who asks, and allows it; it hands over the
answer, and a way to ask whether somebody with a token of a moment ago may have it, of the same memories that it asks
itself. So a head is known that came before byte for byte, and one whose target, whose token and whose other lines
came before, each in some request. From then on it is asked, each time, whether all of this still holds, and as soon as
it does not, the request takes the ordinary way. Requests of one turn of the event loop are answered together at its
end: one write to the audit, one to the log.
"""

import asyncio
import os
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any, Protocol

from aiohttp import HttpVersion11, hdrs, web

from proxy.clock import Clock
from proxy.heads import LAST_LINE, take_apart
from proxy.registry.gatekeeper import RepeatedLine
from proxy.telemetry.metrics import Metrics
from proxy.telemetry.request_log import RequestLine, log_requests
from storage.errors import StorageUnavailableError

REQUEST_ID = "X-Request-ID"
_MOST = 1024
_MOST_SEEN = 4096
_MOST_RESTS = 256
_KEPT_SECONDS = 5.0
"""Nothing that allows a request is remembered for longer than that unless it is asked for, so neither is the answer."""
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


class Again(Protocol):
    """Asks whether an answer would be given again, without asking anybody else."""

    def __call__(self, token: str, address: str) -> Answered | None:
        """Why whoever has the bearer token would get it, asking from `address`; None where that must be looked up."""
        ...


@dataclass(frozen=True, slots=True)
class _Answer:
    """What was sent, up to what differs each time, and its body. `path` is the target without its query."""

    method: str
    path: str
    start: bytes
    body: bytes
    again: Again


@dataclass(slots=True, eq=False)
class Repeat:
    """An answer to somebody who may have it. `key` is what it is found by."""

    key: tuple[bytes, str]
    answered: Answered
    answer: _Answer
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
        self._answers: OrderedDict[tuple[bytes, bytes], _Answer] = OrderedDict()  # by method and target
        self._rests: OrderedDict[tuple[bytes, bytes, str], str] = OrderedDict()  # with their peer: the client
        self._seen: OrderedDict[int, None] = OrderedDict()
        self._waiting: list[tuple[Asker, bytes, Repeat]] = []
        self._began = 0.0
        self._date = 0, b""

    def take(self, asker: Asker, head: bytes, peer: str) -> bool:
        """Whether a request will be answered from here, at the end of this turn of the event loop.

        `head` is all that `asker` sent since its last answer, `peer` is who sent it.
        """
        known = self._known.get((head, peer)) or self._put_together(head, peer)
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
        """Whether the answer to a request could be remembered, and the same was asked for before."""
        if _head(request) is None:
            return False
        key = hash((request.method, request.raw_path))
        if key in self._seen:
            return True
        self._seen[key] = None
        _trim(self._seen, _MOST_SEEN)
        return False

    def remember(self, request: web.Request, response: web.StreamResponse, answered: Answered, again: Again) -> None:
        """Remember an answer that is about to be sent: its headers are complete. `answered` is why it is."""
        head = _head(request)
        body = response.body if isinstance(response, web.Response) else None
        start = _start(response)
        if head is None or start is None or not isinstance(body, bytes):
            return
        sent = b"" if request.method == hdrs.METH_HEAD else body
        answer = _Answer(request.method, request.raw_path.partition("?")[0], start, sent, again)
        peer = request.remote or ""
        self._keep(Repeat((head, peer), answered, answer, self._monotonic()))
        parts = take_apart(head)
        if parts is not None:
            self._answers[parts.method, parts.target] = answer
            _trim(self._answers, _MOST)
            self._rests[(*parts.rest, peer)] = answered.address
            _trim(self._rests, _MOST_RESTS)

    def _put_together(self, head: bytes, peer: str) -> Repeat | None:
        """An answer to a head that is new as a whole, if none of its parts is."""
        parts = take_apart(head)
        answer = self._answers.get((parts.method, parts.target)) if parts else None
        if parts is None or answer is None:
            return None
        address = self._rests.get((*parts.rest, peer))
        answered = answer.again(parts.token.decode(errors="surrogateescape"), address) if address is not None else None
        if answered is None:
            return None
        repeat = Repeat((head, peer), answered, answer, self._monotonic())
        self._keep(repeat)
        return repeat

    def _keep(self, repeat: Repeat) -> None:
        while self._known and repeat.used_at - next(iter(self._known.values())).used_at >= _KEPT_SECONDS:
            self._known.popitem(last=False)
        self._known[repeat.key] = repeat
        self._known.move_to_end(repeat.key)
        _trim(self._known, _MOST)

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
            answer = repeat.answer
            asker.answer(b"%s%s%s%s%s" % (answer.start, date, name.encode(), LAST_LINE, answer.body))
        seconds = self._monotonic() - self._began
        log_requests(
            [
                RequestLine(name, repeat.answer.method, repeat.answer.path, _OK, seconds, repeat.answered.address)
                for repeat, _, name in named
            ]
        )
        self._metrics.recalled(len(named))
        kinds = Counter((repeat.answer.method, repeat.answered.route) for repeat, _, _ in named)
        for (method, route), count in kinds.items():
            self._metrics.answered(method, route, _OK, (seconds,) * count)
        return True

    def _date_line(self, second: int) -> bytes:
        if self._date[0] != second:
            text = f"{hdrs.DATE}: {formatdate(second, usegmt=True)}\r\n{REQUEST_ID}: "
            self._date = second, text.encode()
        return self._date[1]


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


def _trim(known: OrderedDict[Any, Any], most: int) -> None:
    """Drop what has been there longest."""
    while len(known) > most:
        known.popitem(last=False)
