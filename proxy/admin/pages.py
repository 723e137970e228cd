"""Pages of the gate's own lists, by `n` and `last`, newest or first in front; a Link header leads on."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar
from urllib.parse import urlencode

from aiohttp import hdrs

from proxy.errors import BadRequestError
from proxy.registry.paging import page_size
from proxy.routing import Call

_Item = TypeVar("_Item")
_MOST = 100


@dataclass(frozen=True, slots=True)
class PageOf(Generic[_Item]):
    """Some items, and the headers that say where the next ones are."""

    items: tuple[_Item, ...]
    headers: Mapping[str, str]


def wanted(call: Call, most: int = _MOST) -> int:
    """How many items a request asks for. Raises `BadRequestError`."""
    return page_size(call.request.rel_url.query, most)


def cut(call: Call, found: Sequence[_Item], name: Callable[[_Item], str], most: int = _MOST) -> PageOf[_Item]:
    """The first of `found`, which begins where the page does and holds at least one more where there is one."""
    size = wanted(call, most)
    shown = tuple(found[:size])
    if not shown or len(found) <= size:
        return PageOf(shown, {})
    following = urlencode({**call.request.rel_url.query, "n": size, "last": name(shown[-1])})
    return PageOf(shown, {hdrs.LINK: f'<{call.request.path}?{following}>; rel="next"'})


def page_of(call: Call, listed: Sequence[_Item], name: Callable[[_Item], str], most: int = _MOST) -> PageOf[_Item]:
    """The page of the whole list `listed` that a request asks for: what comes after the item named `last`.

    Raises `BadRequestError` if there is none of that name (any more), or for an `n` that cannot be.
    """
    last = call.request.rel_url.query.get("last", "")
    begin = 0
    if last:
        begin = next((place for place, item in enumerate(listed, start=1) if name(item) == last), 0)
        if not begin:
            raise BadRequestError(f"nothing in this list is called {last[:80]!r} (any more); begin without last")
    return cut(call, listed[begin:], name, most)
