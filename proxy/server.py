"""Listening: connections, signals, and an end that lets running requests finish."""

import asyncio
import gc
import signal
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import structlog
from aiohttp import web

from proxy.app import build_app
from proxy.connection import Connection
from proxy.services import Services
from proxy.serving.acceptor import Acceptor, Preface
from proxy.serving.proxy_protocol import Address
from proxy.serving.sockets import open_sockets

_DRAIN_LOOK_SECONDS = 0.05
_CUT_OFF_SECONDS = 1.0
_KEEP_ALIVE_SECONDS = 75.0
_LINGER_SECONDS = 10.0
"""How long to go on reading a body that was refused, so that its sender gets to read why."""
_log = structlog.get_logger(__name__)


@asynccontextmanager
async def listening(
    services: Services, sockets: Sequence[socket.socket] = (), hurry: asyncio.Event | None = None
) -> AsyncIterator[tuple[str, int]]:
    """Serve as `services.settings.listen` says, on `sockets` if there are any already; gives an address and its port.

    On leaving, /readyz says so, then no connection is taken any more, and running requests have `drain_seconds` to
    finish; `hurry` ends the waiting. Raises `ListenError`.
    """
    listen = services.settings.listen
    hurry = hurry or asyncio.Event()
    async with AsyncExitStack() as stack:
        runner = web.AppRunner(build_app(services), access_log=None, shutdown_timeout=_CUT_OFF_SECONDS)
        stack.push_async_callback(runner.cleanup)
        await runner.setup()
        manager = runner.server
        if manager is None:
            raise RuntimeError("aiohttp's runner has no server after its setup")
        opened = sockets or await asyncio.to_thread(open_sockets, listen)
        acceptor = Acceptor(opened, _maker(services, manager), _preface(services))
        acceptor.start()
        stack.push_async_callback(_drain, manager, acceptor, listen.drain_seconds, hurry)
        host, port = opened[0].getsockname()[:2]
        _log.info("listening", host=host, port=port, public_url=services.settings.public_origin)
        yield host, port
        services.readiness.drain()
        _log.info("draining", seconds=listen.drain_delay_seconds + listen.drain_seconds)
        with suppress(TimeoutError):
            await asyncio.wait_for(hurry.wait(), listen.drain_delay_seconds)


def _maker(services: Services, manager: web.Server) -> Callable[[Address | None], Connection]:
    network = services.settings.network
    loop = asyncio.get_running_loop()

    def make(client: Address | None) -> Connection:
        return Connection(
            manager,
            loop=loop,
            header_timeout=network.header_timeout_seconds,
            write_timeout=network.write_timeout_seconds,
            repeats=services.repeats,
            client=client,
            keepalive_timeout=_KEEP_ALIVE_SECONDS,
            lingering_time=min(_LINGER_SECONDS, network.read_timeout_seconds),
            access_log=None,
        )

    return make


def _preface(services: Services) -> Preface:
    network, tls = services.settings.network, services.tls
    return Preface(
        context=lambda: tls.context if tls else None,
        balancers=network.proxy_protocol_from,
        patience=network.header_timeout_seconds,
    )


async def _drain(manager: web.Server, acceptor: Acceptor, seconds: float, hurry: asyncio.Event) -> None:
    """Take no connection any more, wait for running requests, and close each connection once it has none.

    aiohttp's own shutdown stops reading first, so that no upload under way could ever be completed.
    """
    await acceptor.close()
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            idle: set[Connection] = set()
            while not hurry.is_set() and (manager.connections or not acceptor.is_quiet):
                # Idle at two looks: what came before the first one is read between them.
                before = idle
                idle = {one for one in manager.connections if isinstance(one, Connection) and not one.is_busy}
                for one in idle & before:
                    one.force_close()
                await asyncio.sleep(_DRAIN_LOOK_SECONDS)
    await acceptor.abort()


async def serve_until_told(services: Services, sockets: Sequence[socket.socket] = (), supervisor: int = -1) -> None:
    """Serve until SIGTERM or SIGINT; a second one cuts off what still runs. SIGHUP reads the certificate again.

    Where a supervisor tells this process what to do, `supervisor` can be read from once that is gone: serving ends.
    """
    told, hurry = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    reloads: set[asyncio.Task[None]] = set()

    def end() -> None:
        (hurry if told.is_set() else told).set()

    def orphaned() -> None:
        loop.remove_reader(supervisor)
        told.set()

    def reload() -> None:
        if services.tls is not None:
            task = asyncio.create_task(services.tls.reload())
            reloads.add(task)
            task.add_done_callback(reloads.discard)

    loop.add_signal_handler(signal.SIGTERM, end)
    loop.add_signal_handler(signal.SIGHUP, reload)
    if supervisor < 0:
        loop.add_signal_handler(signal.SIGINT, end)
    else:
        loop.add_reader(supervisor, orphaned)
    async with listening(services, sockets, hurry):
        gc.collect()
        gc.freeze()  # what is there now stays; looking through it again and again makes requests wait
        await told.wait()
