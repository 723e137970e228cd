"""One client connection: aiohttp's, with a deadline for request heads (threat 72) and errors in the registry's form.

aiohttp closes idle connections, but waits for ever on one that sends its head a byte at a time.
"""

import asyncio
import json
from http import HTTPStatus
from typing import Any

from aiohttp import web

from proxy.answers import error_answer
from proxy.errors import RequestTimeoutError, WireError, to_wire
from proxy.serving.proxy_protocol import Address

_WRITE_BUFFER_BYTES = 64 * 1024
"""What may wait for a slow client. Event loops allow much more for TLS, and a hundred slow pulls would add up."""
_LATE = "the head of the request was not complete in time"


class Connection(web.RequestHandler):
    """Serves one connection. `header_timeout` is in seconds, from its first byte (or the connection's start).

    `client` is whom a balancer speaks for (PROXY protocol); it counts as the peer of the connection.
    """

    __slots__ = ("_client", "_deadline", "_header_timeout", "_heard")

    def __init__(
        self,
        manager: web.Server,
        *,
        loop: asyncio.AbstractEventLoop,
        header_timeout: float,
        client: Address | None = None,
        **options: Any,
    ) -> None:
        super().__init__(manager, loop=loop, **options)
        self._client = client
        self._header_timeout = header_timeout
        self._deadline: asyncio.TimerHandle | None = None
        self._heard = False

    @property
    def is_busy(self) -> bool:
        """Whether a request is being answered, waits for its turn, or is on its way in."""
        return self._request_in_progress or bool(self._messages) or (self._deadline is not None and self._heard)

    @property
    def peername(self) -> str | tuple[str, int, int, int] | tuple[str, int] | None:
        """Who is at the other end."""
        if self._client is not None:
            return str(self._client), 0
        return None if self.transport is None else self.transport.get_extra_info("peername")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Expect the first head."""
        super().connection_made(transport)
        if isinstance(transport, asyncio.WriteTransport):
            transport.set_write_buffer_limits(high=_WRITE_BUFFER_BYTES)
        self._arm()

    def data_received(self, data: bytes) -> None:
        """Pass bytes on; while they make no whole head, the deadline stands."""
        heads = self._request_count
        super().data_received(data)
        if self._request_count > heads:
            self._disarm()
        elif self._deadline is not None:
            self._heard = True
        elif self._awaits_head():
            self._arm()
            self._heard = True

    def connection_lost(self, exc: BaseException | None) -> None:
        """Expect nothing any more."""
        self._disarm()
        super().connection_lost(exc)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """What cannot be parsed is the client's mistake, and answered as such; the rest is ours, and logged."""
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

    def _expire(self) -> None:
        self._deadline = None
        if self.transport is None or not self._awaits_head():
            return
        if self._heard:
            self.transport.write(_late_answer())
        self.force_close()


def _late_answer() -> bytes:
    error = to_wire(RequestTimeoutError(_LATE))
    body = json.dumps(error.body).encode()
    head = (
        f"HTTP/1.1 {error.status} Request Timeout\r\nContent-Type: application/json; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body
