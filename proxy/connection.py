"""One client connection: aiohttp's, with deadlines (threat 72) and errors in the registry's form.

aiohttp closes idle connections, but waits for ever on one that sends its head a byte at a time, and on one that takes
nothing of its answer, which holds a connection to the upstream as well. The rest of a large body may be taken out of
the socket past aiohttp; requests that follow it on the connection are read as ever.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, cast

from aiohttp import StreamReader, web
from aiohttp.http import HttpRequestParser
from aiohttp.web_protocol import MAX_MSG_QUEUE_SIZE

from proxy.answers import error_answer
from proxy.errors import RequestTimeoutError, WireError, to_wire
from proxy.heads import is_lone_head
from proxy.repeats import Repeats
from proxy.serving.proxy_protocol import Address

_WRITE_BUFFER_BYTES = 64 * 1024
"""What may wait for a slow client. Event loops allow much more for TLS, and a hundred slow pulls would add up."""
_READ_BUFFER_BYTES = 64 * 1024
"""How much of a body may wait to be read, and about as much again. aiohttp allows four times that."""
_LATE = "the head of the request was not complete in time"


class ClientGoneError(ConnectionResetError):
    """The client went away within the body of its request."""


class Connection(web.RequestHandler):
    """Serves one connection. `header_timeout` is in seconds, from its first byte (or the connection's start);
    `write_timeout` is how long a client may leave what waits for it where it is.

    `client` is whom a balancer speaks for (PROXY protocol); it counts as the peer of the connection.
    """

    __slots__ = (
        "_body",
        "_client",
        "_deadline",
        "_gone",
        "_handled",
        "_header_timeout",
        "_heard",
        "_is_taken",
        "_lone_head",
        "_peer",
        "_postponed",
        "_repeats",
        "_stalled",
        "_wire",
        "_write_timeout",
    )

    def __init__(
        self,
        manager: web.Server,
        *,
        loop: asyncio.AbstractEventLoop,
        header_timeout: float,
        write_timeout: float,
        repeats: Repeats,
        client: Address | None = None,
        **options: Any,
    ) -> None:
        super().__init__(manager, loop=loop, read_bufsize=_READ_BUFFER_BYTES, auto_decompress=False, **options)
        self._body: TakenBody | None = None
        self._client = client
        self._header_timeout = header_timeout
        self._write_timeout = write_timeout
        self._deadline: asyncio.TimerHandle | None = None
        self._stalled: asyncio.TimerHandle | None = None
        self._gone: BaseException | None = None
        self._wire: asyncio.WriteTransport | None = None
        self._heard = False
        self._repeats = repeats
        self._handled = 0
        self._is_taken = False
        self._lone_head: bytes | None = None
        self._postponed: list[bytes] = []
        self._peer = ""

    @property
    def is_busy(self) -> bool:
        """Whether a request is being answered, waits for its turn, or is on its way in."""
        waits = self._is_taken or self._messages or self._postponed
        return self._request_in_progress or bool(waits) or self._has_heard_a_part()

    @property
    def lone_head(self) -> bytes | None:
        """The bytes of the request that is being answered, if they came as one, and nothing has come since."""
        return self._lone_head

    @property
    def peername(self) -> str | tuple[str, int, int, int] | tuple[str, int] | None:
        """Who is at the other end."""
        if self._client is not None:
            return str(self._client), 0
        return None if self.transport is None else self.transport.get_extra_info("peername")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Expect the first head."""
        super().connection_made(transport)
        self._wire = cast("asyncio.WriteTransport", transport)  # uvloop's is one, and derived from nothing
        self._wire.set_write_buffer_limits(high=_WRITE_BUFFER_BYTES)
        limit_encrypted = getattr(transport, "set_read_buffer_limits", None)  # only TLS has such a buffer
        if limit_encrypted is not None:
            limit_encrypted(high=_READ_BUFFER_BYTES)
        peer = self.peername
        self._peer = str(peer[0] if isinstance(peer, tuple) else peer or "")
        self._arm()

    def data_received(self, data: bytes) -> None:
        """Take what came, in its order; a moment later where aiohttp is not ready yet to wait for it.

        It answers in a task of its own, and its loop goes on one turn of the event loop later. Clients are faster:
        all their requests would be found on a busy connection, and none ever answered as the last one was.
        """
        if not self._postponed and not self._is_between_requests():
            self._take(data)
            return
        if not self._postponed:
            self._loop.call_soon(self._take_postponed)
        self._postponed.append(data)

    def _take_postponed(self) -> None:
        data = b"".join(self._postponed)
        self._postponed.clear()
        if self.transport is not None:
            self._take(data)

    def _take(self, data: bytes) -> None:
        """Answer what was asked a moment ago just so; read everything else."""
        if self._body is not None:  # given back unfinished, and of no use to anybody any more
            data = self._skip(data, self._body)
            if not data:
                return
        if self._is_taken:  # answers go out in the order of their requests
            self._repeats.flush()
        if self._is_idle() and not self.writing_paused and self._repeats.take(self, data, self._peer):
            self._is_taken = True
        else:
            self.read(data)

    def take_body(self, request: web.BaseRequest) -> "TakenBody | None":
        """Let the caller read what is still to come of a request's body from the socket, until it is given back.

        None if the body ends nobody knows where, has come already, or broke.
        """
        payload, length = request.content, request.content_length
        if length is None or self.transport is None or payload.exception() is not None or payload.is_eof():
            return None
        ahead = []
        while piece := payload.read_nowait():
            ahead.append(piece)
        # What the parser expects of the body never comes, so the next request needs another one.
        self._parser = HttpRequestParser(
            self,
            self._loop,
            _READ_BUFFER_BYTES,
            max_line_size=self.max_line_size,
            max_headers=self.max_headers,
            max_field_size=self.max_field_size,
            payload_exception=web.RequestPayloadError,
            auto_decompress=False,
            max_msg_queue_size=MAX_MSG_QUEUE_SIZE,
        )
        self._body = TakenBody(payload, b"".join(ahead), length - payload.total_bytes)
        self.transport.pause_reading()
        return self._body

    def give_back(self) -> None:
        """Whoever took a body reads the socket no more: what is left of the body is skipped here."""
        body = self._body
        if body is None:
            return
        body.is_given_back = True
        self._skip(b"", body)
        if not body.is_complete and self.transport is not None:
            self.transport.resume_reading()

    def _skip(self, data: bytes, body: "TakenBody") -> bytes:
        """Drop what belongs to the body; gives what follows it."""
        rest = data[body.left :]
        body.took(len(data) - len(rest))
        if body.is_complete:
            self._body = None
            body.payload.feed_eof()  # which has the socket read again
        return rest

    def answer(self, answer: bytes) -> None:
        """Send an answer to what `Repeats` took."""
        self._is_taken = False
        self._disarm()
        self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
        if self.transport is not None:
            self.transport.write(answer)

    def read(self, data: bytes) -> None:
        """Pass bytes on to the parser; while they make no whole head, the deadline stands."""
        self._is_taken = False
        heads = self._request_count
        may_stand_alone = self._is_idle() and is_lone_head(data)
        super().data_received(data)
        self._lone_head = data if may_stand_alone and self._request_count == heads + 1 else None
        if self._request_count > heads:
            self._disarm()
        elif self._deadline is not None:
            self._heard = True
        elif self._awaits_head():
            self._arm()
            self._heard = True

    def pause_writing(self) -> None:
        """The client takes less than there is for it: it is cut off unless it goes on."""
        super().pause_writing()
        self._expect_progress()

    def resume_writing(self) -> None:
        """The client has taken something."""
        super().resume_writing()
        self._expect_nothing()

    def force_close(self) -> None:
        """Close, once what is written has left; whoever does not take that is not waited for."""
        super().force_close()
        self._expect_progress()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Expect nothing any more."""
        self._disarm()
        self._expect_nothing()
        self._wire = None
        super().connection_lost(exc)

    async def start(self) -> None:
        """Answer requests until the connection ends.

        Where a client is gone, the error that says so, and the frames and the body it came through hold each other,
        and with them half a MiB and more of what was still to be sent or read, until Python looks for cycles. So it
        forgets where it came from.
        """
        try:
            await super().start()
        finally:
            error, self._gone = self._gone, None
            while error is not None:
                error.__traceback__ = None
                error = error.__cause__ or error.__context__

    async def _handle_request(
        self,
        request: web.BaseRequest,
        start_time: float | None,
        request_handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
    ) -> tuple[web.StreamResponse, bool]:
        try:
            return await super()._handle_request(request, start_time, request_handler)
        except ConnectionError as error:
            self._gone = error
            raise
        finally:
            self._handled += 1

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """What cannot be parsed is the client's mistake, and answered as such; the rest is ours, and logged.

        A client that is gone is nobody's mistake, and gets no answer.
        """
        is_gone = self.transport is None or request.writer.output_size > 0
        if isinstance(exc, ClientGoneError) or (is_gone and isinstance(exc, ConnectionError)):
            raise ConnectionAbortedError("the client has gone") from exc
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            self.log_exception("unexpected error", exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionAbortedError("the answer could not be completed") from exc
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            error = WireError(status, "UNKNOWN", "the gate could not serve this; its log says why")
        else:
            error = WireError(status, "UNSUPPORTED", "the request is not valid HTTP, or its head is too large")
        response = error_answer(error)
        response.force_close()
        return response

    def _is_idle(self) -> bool:
        """Whether nothing is being answered, and nothing of a next request has come."""
        return self._awaits_head() and not self._has_heard_a_part()

    def _has_heard_a_part(self) -> bool:
        return self._deadline is not None and self._heard

    def _is_between_requests(self) -> bool:
        """Whether all that came is answered, and aiohttp's own loop does not wait for the next request yet."""
        return self._waiter is None and not self._messages and self._handled == self._request_count

    def _awaits_head(self) -> bool:
        """Whether aiohttp's own loop waits for the next request (it then holds an unresolved future)."""
        return self._waiter is not None and not self._waiter.done()

    def _arm(self) -> None:
        self._heard = False
        self._deadline = self._loop.call_later(self._header_timeout, self._expire)

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _expect_progress(self) -> None:
        if self._stalled is None and self._wire is not None:
            self._stalled = self._loop.call_later(self._write_timeout, self._wire.abort)

    def _expect_nothing(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def _expire(self) -> None:
        self._deadline = None
        if self.transport is None or not self._awaits_head():
            return
        if self._heard:
            self.transport.write(_late_answer())
        self.force_close()


@dataclass(slots=True)
class TakenBody:
    """A body that somebody else reads from the socket, `left` bytes of it; `ahead` of them was read before."""

    payload: StreamReader
    ahead: bytes
    left: int
    is_given_back: bool = False

    @property
    def is_complete(self) -> bool:
        """Whether all of it has been taken out of the socket."""
        return not self.left

    def took(self, count: int) -> None:
        """So many bytes are no longer in the socket."""
        self.left -= count


def _late_answer() -> bytes:
    error = to_wire(RequestTimeoutError(_LATE))
    body = json.dumps(error.body).encode()
    head = (
        f"HTTP/1.1 {error.status} Request Timeout\r\nContent-Type: application/json; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body
