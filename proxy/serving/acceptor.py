"""From a listening socket to HTTP connections: PROXY header where one is due, then TLS where it is on.

The accept loop is ours because both come before HTTP: a PROXY header stands before the TLS handshake, and each
connection takes the certificate that is in use when it begins.
"""

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network

import structlog

from proxy.forwarded import within
from proxy.serving.proxy_protocol import Address, ProxyHeaderError, missing, source

_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
_EXHAUSTED_PAUSE_SECONDS = 0.1
_TLS_GOODBYE_SECONDS = 5.0
_log = structlog.get_logger(__name__)

MakeProtocol = Callable[[Address | None], asyncio.Protocol]
"""Makes the protocol of a connection; gets the client a balancer speaks for, None where there is no balancer."""


@dataclass(frozen=True, slots=True)
class Preface:
    """What stands before HTTP. `patience` is the seconds for a PROXY header, and again for a TLS handshake."""

    context: Callable[[], ssl.SSLContext | None]
    balancers: Sequence[IPv4Network | IPv6Network]
    patience: float


@dataclass(slots=True)
class Acceptor:
    """Takes connections from `sockets`, which it owns, between `start` and `close`."""

    sockets: Sequence[socket.socket]
    make: MakeProtocol
    preface: Preface
    _pauses: dict[socket.socket, asyncio.TimerHandle] = field(default_factory=dict)
    _beginning: set[asyncio.Task[None]] = field(default_factory=set)

    def start(self) -> None:
        """Begin to take connections."""
        for listener in self.sockets:
            listener.setblocking(False)
            self._listen(listener)

    async def close(self) -> None:
        """Take what the kernel has accepted already, then no more."""
        for listener in self.sockets:
            self._deafen(listener)
            self._take_queued(listener)
            listener.close()

    @property
    def is_quiet(self) -> bool:
        """Whether no connection is at its beginning."""
        return not self._beginning

    async def abort(self) -> None:
        """Give up connections that are at their beginning."""
        for task in self._beginning:
            task.cancel()
        await asyncio.gather(*self._beginning, return_exceptions=True)

    def _listen(self, listener: socket.socket) -> None:
        """Take one connection in each turn of the loop: a queue of them must not keep those that are there waiting.

        It is not a task that waits for the next one: cancelled, that would lose a connection just accepted.
        """
        self._pauses.pop(listener, None)
        asyncio.get_running_loop().add_reader(listener, self._take, listener)

    def _deafen(self, listener: socket.socket) -> None:
        asyncio.get_running_loop().remove_reader(listener)
        pause = self._pauses.pop(listener, None)
        if pause is not None:
            pause.cancel()

    def _take(self, listener: socket.socket) -> bool:
        """Begin a connection, if there is one: another process may have been first. Whether there may be more."""
        try:
            connection, address = listener.accept()
        except BlockingIOError:
            return False
        except OSError as error:
            # Anything else is about one connection that its client has given up.
            if error.errno in _EXHAUSTED:
                _log.error("no connection can be taken", problem=str(error))
                self._deafen(listener)
                loop = asyncio.get_running_loop()
                self._pauses[listener] = loop.call_later(_EXHAUSTED_PAUSE_SECONDS, self._listen, listener)
            return error.errno == errno.ECONNABORTED
        connection.setblocking(False)
        self._begin(connection, str(address[0]))
        return True

    def _take_queued(self, listener: socket.socket) -> None:
        """Whoever got through before the end is served: closing the socket would reset them."""
        while self._take(listener):
            pass
        self._deafen(listener)

    def _begin(self, connection: socket.socket, peer: str) -> None:
        task = asyncio.create_task(self._open(connection, peer))
        self._beginning.add(task)
        task.add_done_callback(self._beginning.discard)

    async def _open(self, connection: socket.socket, peer: str) -> None:
        try:
            client = await self._client(connection, peer)
            await self._hand_over(connection, client)
        except (ProxyHeaderError, OSError) as error:
            # Scanners and health checks do this all day, so a balancer's mistake alone is a warning.
            say = _log.warning if isinstance(error, ProxyHeaderError) else _log.debug
            say("connection closed before its first request", address=peer, problem=str(error) or type(error).__name__)
            connection.close()
        except asyncio.CancelledError:
            connection.close()
            raise

    async def _client(self, connection: socket.socket, peer: str) -> Address | None:
        """Whom the connection is for, if it is a balancer's. Raises `ProxyHeaderError` or `OSError`."""
        if not within(peer, self.preface.balancers):
            return None
        loop = asyncio.get_running_loop()
        head = b""
        try:
            async with asyncio.timeout(self.preface.patience):
                while wanted := missing(head):
                    part = await loop.sock_recv(connection, wanted)
                    if not part:
                        # Balancers look whether the port is open, and say nothing.
                        raise ConnectionResetError("it was closed before its PROXY header was complete")
                    head += part
        except TimeoutError as error:
            raise ProxyHeaderError("its PROXY header was not complete in time") from error
        return source(head)

    async def _hand_over(self, connection: socket.socket, client: Address | None) -> None:
        loop = asyncio.get_running_loop()
        context = self.preface.context()
        if context is None:
            await loop.connect_accepted_socket(lambda: self.make(client), connection)
            return
        await loop.connect_accepted_socket(
            lambda: self.make(client),
            connection,
            ssl=context,
            ssl_handshake_timeout=self.preface.patience,
            ssl_shutdown_timeout=_TLS_GOODBYE_SECONDS,
        )
