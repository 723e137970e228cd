"""One task for all who want the same at the same time: done once, whoever asks, and whoever goes away meanwhile."""

import asyncio
from collections.abc import Coroutine, Hashable
from typing import Any, Generic, TypeVar

from proxy.upstream.slots import on_behalf_of_all

Key = TypeVar("Key", bound=Hashable)
Result = TypeVar("Result")


class SharedTasks(Generic[Key, Result]):
    """What is being done, by key, until it ends. It takes nothing from the share of who asked first."""

    def __init__(self, name: str | None = None) -> None:
        self._name = name
        self._running: dict[Key, asyncio.Task[Result]] = {}

    def get(self, key: Key) -> asyncio.Task[Result] | None:
        """What is being done for `key`, if anything is. Wait for it with `asyncio.shield`: others do too."""
        return self._running.get(key)

    def begin(self, key: Key, work: Coroutine[Any, Any, Result]) -> asyncio.Task[Result]:
        """Begin it, in place of what is being done for `key` already. Nobody has to wait for it."""
        task = asyncio.create_task(work, name=self._name, context=on_behalf_of_all())
        self._running[key] = task
        task.add_done_callback(lambda _: self._ended(key, task))
        return task

    def _ended(self, key: Key, task: asyncio.Task[Result]) -> None:
        if self._running.get(key) is task:
            del self._running[key]
        look_at(task)


def look_at(task: asyncio.Task[Any]) -> None:
    """Look at how it ended, which whoever waits for it hears, and nobody has to."""
    if not task.cancelled():
        task.exception()
