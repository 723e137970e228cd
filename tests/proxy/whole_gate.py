"""A whole gate that listens, on a state folder of its own, and somebody to ask it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from config.settings import Settings
from proxy.running import running
from proxy.server import listening
from proxy.services import Services
from tests.proxy.cli.conftest import POLICY


@asynccontextmanager
async def whole_gate(folder: Path) -> AsyncIterator[tuple[str, Services, aiohttp.ClientSession]]:
    """Its address, what it is made of, and a session of a client."""
    (folder / "policy.yaml").write_text(POLICY)
    settings = Settings(state_dir=folder, listen={"port": 0}, inspection={"workers": 1}, feeds={"refresh_hours": 0})
    async with (
        running(settings) as services,
        listening(services) as (host, port),
        aiohttp.ClientSession() as session,
    ):
        yield f"http://{host}:{port}", services, session
