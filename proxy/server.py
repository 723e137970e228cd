"""Listening: sockets, signals, and an end that lets running requests finish."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import structlog
from aiohttp import web

from proxy.app import build_app
from proxy.connection import Connection
from proxy.services import Services

DRAIN_SECONDS = 30.0
_DRAIN_LOOK_SECONDS = 0.05
_CUT_OFF_SECONDS = 1.0
_KEEP_ALIVE_SECONDS = 75.0
_LINGER_SECONDS = 10.0
"""How long to go on reading a body that was refused, so that its sender gets to read why."""
_BACKLOG = 1024
_log = structlog.get_logger(__name__)


@asynccontextmanager
async def listening(services: Services) -> AsyncIterator[tuple[str, int]]:
    """Serve as `services.settings.listen` says; gives the address and port in use.

    On leaving, no connection is taken any more and running requests have `DRAIN_SECONDS` to finish.
    """
    settings = services.settings
    loop = asyncio.get_running_loop()
    runner = web.AppRunner(build_app(services), access_log=None, shutdown_timeout=_CUT_OFF_SECONDS)
    await runner.setup()
    manager = runner.server
    if manager is None:
        raise RuntimeError("aiohttp's runner has no server after its setup")

    def connection() -> Connection:
        return Connection(
            manager,
            loop=loop,
            header_timeout=settings.network.header_timeout_seconds,
            keepalive_timeout=_KEEP_ALIVE_SECONDS,
            lingering_time=min(_LINGER_SECONDS, settings.network.read_timeout_seconds),
            access_log=None,
            auto_decompress=False,
        )

    async with AsyncExitStack() as stack:
        stack.push_async_callback(runner.cleanup)
        stack.push_async_callback(_drain, manager)
        server = await loop.create_server(connection, settings.listen.host, settings.listen.port, backlog=_BACKLOG)
        stack.callback(server.close)
        host, port = server.sockets[0].getsockname()[:2]
        _log.info("listening", host=host, port=port, public_url=settings.public_origin)
        yield host, port


async def _drain(manager: web.Server) -> None:
    """Wait for running requests, and close each connection once it has none.

    aiohttp's own shutdown stops reading first, so that no upload under way could ever be completed.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(DRAIN_SECONDS):
            while connections := [one for one in manager.connections if isinstance(one, Connection)]:
                for idle in (one for one in connections if not one.is_busy):
                    idle.force_close()
                await asyncio.sleep(_DRAIN_LOOK_SECONDS)


async def serve_until_told(services: Services) -> None:
    """Serve until SIGTERM or SIGINT."""
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    async with listening(services):
        await told.wait()
        _log.info("draining", seconds=DRAIN_SECONDS)
