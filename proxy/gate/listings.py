"""The names that the upstream lists. All are read for any page of them, since not every registry sorts them as clients
expect.

So they are read once for all who ask at the same time, and the pages that follow a first one are cut from what was read
for that, for a minute at most.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from functools import partial
from typing import Generic, TypeVar

from proxy.shared_tasks import Rounds
from proxy.upstream.port import Upstream
from scanning.oci.names import Repository, Tag

_KEPT_SECONDS = 60.0
_MOST_NAMES = 250_000
"""Of all lists that are kept together. A longer one is read for each of its pages."""
_MOST_LISTS = 1000

Key = TypeVar("Key", bound=Hashable)
Name = TypeVar("Name")


class Listings:
    """The lists of one upstream. Every method raises the `UpstreamError` family."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._tags = _Lists[Repository, Tag]()
        self._repositories = _Lists[None, Repository]()

    async def tags(self, repository: Repository, *, is_continued: bool) -> tuple[Tag, ...] | None:
        """All tags in lexical order, None if the upstream knows no such repository: as they are, or, where a list
        `is_continued`, as they were a moment ago.
        """
        return await self._tags.get(repository, partial(self._upstream.tags, repository), is_continued=is_continued)

    async def repositories(self, *, is_continued: bool) -> tuple[Repository, ...]:
        """All repositories in lexical order, as `tags` gives tags."""
        return await self._repositories.get(None, self._upstream.repositories, is_continued=is_continued) or ()


class _Lists(Generic[Key, Name]):
    """Lists by key, read when they are asked for, and kept for those who go on with them."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Key, tuple[float, tuple[Name, ...]]] = OrderedDict()
        self._reading = Rounds[Key, tuple[Name, ...] | None]()

    async def get(
        self, key: Key, read: Callable[[], Awaitable[tuple[Name, ...] | None]], *, is_continued: bool
    ) -> tuple[Name, ...] | None:
        kept = self._kept.get(key)
        now = asyncio.get_running_loop().time()
        if is_continued and kept is not None and now - kept[0] < _KEPT_SECONDS:
            return kept[1]
        return await self._reading.round(key, partial(self._read, key, read))

    async def _read(self, key: Key, read: Callable[[], Awaitable[tuple[Name, ...] | None]]) -> tuple[Name, ...] | None:
        names = await read()
        self._kept.pop(key, None)
        if names:
            self._kept[key] = asyncio.get_running_loop().time(), names
        while len(self._kept) > _MOST_LISTS or sum(len(kept) for _, kept in self._kept.values()) > _MOST_NAMES:
            self._kept.popitem(last=False)
        return names
