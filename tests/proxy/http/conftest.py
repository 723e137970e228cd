"""The face runs on uvloop, as it does when it serves; where the event loop matters, on asyncio's own as well."""

import asyncio
from collections.abc import Callable, Mapping

import pytest
import uvloop


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """A module that sets `BOTH_EVENT_LOOPS` runs on both."""
    del config
    factories: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"uvloop": uvloop.new_event_loop}
    if isinstance(item, pytest.Function) and getattr(item.module, "BOTH_EVENT_LOOPS", False):
        factories["asyncio"] = asyncio.new_event_loop
    return factories
