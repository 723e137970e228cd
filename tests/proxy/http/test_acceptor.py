"""Nobody who got through to the port is sent away because the gate is ending."""

import asyncio
import socket
from dataclasses import dataclass

import pytest

from proxy.serving.acceptor import Acceptor, Preface
from proxy.serving.proxy_protocol import Address

BOTH_EVENT_LOOPS = True
ANSWER = b"served"


@dataclass(eq=False)
class Answering(asyncio.Protocol):
    """Says so to whoever it is handed."""

    ended: asyncio.Queue[None]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.write(ANSWER)  # type: ignore[attr-defined]  # uvloop's derives from nothing
        transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended.put_nowait(None)


@dataclass(eq=False)
class Port:
    """A port, who takes connections there, and which of them have ended."""

    listener: socket.socket
    ended: asyncio.Queue[None]

    def acceptor(self) -> Acceptor:
        return Acceptor((self.listener,), self._make, Preface(lambda: None, (), 60.0))

    def _make(self, _: Address | None) -> asyncio.Protocol:
        return Answering(self.ended)


@pytest.fixture
def port() -> Port:
    return Port(socket.create_server(("127.0.0.1", 0)), asyncio.Queue())


async def answer(client: socket.socket) -> bytes:
    client.setblocking(False)
    with client:
        return await asyncio.get_running_loop().sock_recv(client, len(ANSWER))


@pytest.mark.parametrize("turns", range(8))
async def test_whoever_connects_as_the_end_begins_is_served(port: Port, turns: int) -> None:
    acceptor = port.acceptor()
    acceptor.start()
    await asyncio.sleep(0)
    clients = [socket.create_connection(port.listener.getsockname()) for _ in range(3)]
    for _ in range(turns):
        await asyncio.sleep(0)
    await acceptor.close()
    async with asyncio.timeout(60):
        assert [await answer(client) for client in clients] == [ANSWER] * 3
        for _ in clients:
            await port.ended.get()


async def test_after_the_end_nobody_gets_through(port: Port) -> None:
    acceptor = port.acceptor()
    acceptor.start()
    address = port.listener.getsockname()
    await acceptor.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)
