"""One task for all who want the same at the same time: done once, whoever asks, and whoever goes away meanwhile.

`SharedTasks` lets who comes later join what runs already; `Rounds` begins once more for them, where what runs may have
looked too early.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar
from weakref import WeakValueDictionary

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


class Rounds(Generic[Key, Result]):
    """What must be done after each of many events, one round after the other: once for all that came before it began.

    So whoever makes many events at the same time causes two rounds: the one that runs, and the one after it.
    """

    def __init__(self) -> None:
        self._next: dict[Key, asyncio.Task[Result]] = {}
        self._turns: WeakValueDictionary[Key, asyncio.Lock] = WeakValueDictionary()

    async def round(self, key: Key, work: Callable[[], Awaitable[Result]]) -> Result:
        """What `work` gives or raises when it is done for `key`, from beginning to end, after this was called."""
        task = self._next.get(key)
        if task is None:
            task = self._next[key] = asyncio.create_task(self._in_turn(key, work), context=on_behalf_of_all())
            task.add_done_callback(look_at)
        return await asyncio.shield(task)

    async def _in_turn(self, key: Key, work: Callable[[], Awaitable[Result]]) -> Result:
        turn = self._turns.get(key)
        if turn is None:
            turn = self._turns[key] = asyncio.Lock()
        try:
            await turn.acquire()
        finally:
            del self._next[key]  # whoever comes from now on is too late for this round
        try:
            return await work()
        finally:
            turn.release()


def look_at(task: asyncio.Task[Any]) -> None:
    """Look at how it ended, which whoever waits for it hears, and nobody has to."""
    if not task.cancelled():
        task.exception()
