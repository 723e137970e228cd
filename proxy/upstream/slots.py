"""How many requests may run at an upstream at once, and how many of them for one token: never all, so that nobody who
reads slowly what he may read, or sends slowly what he may send, takes the upstream from everybody else (threat 75).
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from contextvars import Context, ContextVar, copy_context
from weakref import WeakValueDictionary

TENANT: ContextVar[str] = ContextVar("tenant", default="")
"""For whom an upstream is asked in this task: the grant of a token, "" for the gate itself."""
_KEPT_FOR_OTHERS = 8
"""One of so many slots no single token gets."""


def on_behalf_of_all() -> Context:
    """The context for a task that many may come to wait for: it takes nothing from the share of who asked first, and
    does not wait for it either.
    """
    context = copy_context()
    context.run(TENANT.set, "")
    return context


class Slots:
    """`most` of them. Who has waited `patience` seconds for one gets none."""

    def __init__(self, most: int, patience: float) -> None:
        self._patience = patience
        self._all = asyncio.Semaphore(most)
        self._most_of_one = most - most // _KEPT_FOR_OTHERS
        self._of_one: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    @asynccontextmanager
    async def take(self) -> AsyncIterator[None]:
        """Have a slot while the block runs. Raises `TimeoutError` before it."""
        share = self._share_of(TENANT.get())
        # Most need not wait, and so need no timer.
        is_free = not self._all.locked() and (share is None or not share.locked())
        async with nullcontext() if is_free else asyncio.timeout(self._patience):
            await self._acquire(share)
        try:
            yield
        finally:
            self._all.release()
            if share is not None:
                share.release()

    def _share_of(self, tenant: str) -> asyncio.Semaphore | None:
        """What is left of one tenant's share; None for the gate itself, which takes all that is free."""
        if not tenant:
            return None
        share = self._of_one.get(tenant)
        if share is None:
            share = self._of_one[tenant] = asyncio.Semaphore(self._most_of_one)
        return share

    async def _acquire(self, share: asyncio.Semaphore | None) -> None:
        if share is not None:
            await share.acquire()
        try:
            await self._all.acquire()
        except BaseException:
            if share is not None:
                share.release()
            raise
