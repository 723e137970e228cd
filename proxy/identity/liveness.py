"""Whether a grant is alive, asked on every request and answered from memory for at most five seconds (threat 8).

A grant that is used all the time is read again before it is that old, so that no request has to wait for that.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from config.patterns import RepositoryPattern
from proxy.ahead import AHEAD
from proxy.clock import Clock
from proxy.identity.principal import Principal, Role
from proxy.shared_tasks import SharedTasks
from storage.grants import Grant

MAX_AGE_SECONDS = 5.0
RENEW_SECONDS = 3.0
"""From this age on, a grant that is used is read again."""
_PAUSE_SECONDS = 1.0
_REMEMBERED = 10_000


@dataclass(slots=True)
class _Known:
    loaded_at: float
    grant: Grant
    principal: Principal
    renewed_at: float
    """When it was last tried to read it again."""


class Liveness:
    """Looks grants up. `load` reads one from the database, `monotonic` counts seconds.

    Only grants that exist are remembered: ids that somebody made up cost no memory.
    """

    def __init__(
        self,
        load: Callable[[str], Awaitable[Grant | None]],
        *,
        clock: Clock,
        monotonic: Callable[[], float],
        max_age: float = MAX_AGE_SECONDS,
    ) -> None:
        self._load = load
        self._clock = clock
        self._monotonic = monotonic
        self._max_age = min(max_age, MAX_AGE_SECONDS)
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._loading = SharedTasks[str, _Known | None](name=AHEAD)

    async def find(self, grant_id: str) -> tuple[Grant, Principal] | None:
        """The grant and who holds it; None if there is none, or it expired or was revoked."""
        known = self._recent(grant_id) or await self._load_once(grant_id)
        if known is None or not known.grant.is_alive(self._clock()):
            return None
        return known.grant, known.principal

    def recall(self, grant_id: str) -> Principal | None:
        """Who holds the grant, if that is known without asking; the same object as long as the grant is the same."""
        known = self._recent(grant_id)
        return known.principal if known is not None and known.grant.is_alive(self._clock()) else None

    def _recent(self, grant_id: str) -> _Known | None:
        known = self._known.get(grant_id)
        if known is None:
            return None
        now = self._monotonic()
        age = now - known.loaded_at
        if age >= self._max_age:
            return None
        if age >= RENEW_SECONDS and now - known.renewed_at >= _PAUSE_SECONDS:
            known.renewed_at = now
            self._loading.begin(grant_id, self._load_now(grant_id))
        return known

    async def _load_once(self, grant_id: str) -> _Known | None:
        """One question for all who ask at the same time."""
        running = self._loading.get(grant_id)
        known = await asyncio.shield(running or self._loading.begin(grant_id, self._load_now(grant_id)))
        if known is None and running is not None:  # it may have been made since another request asked for it
            return await self._load_now(grant_id)
        return known

    async def _load_now(self, grant_id: str) -> _Known | None:
        asked_at = self._monotonic()  # before the question: the answer is at least as fresh as this
        grant = await self._load(grant_id)
        if grant is None:
            self._known.pop(grant_id, None)
            return None
        last = self._known.get(grant_id)
        if last is not None and last.loaded_at > asked_at:
            return last
        principal = last.principal if last is not None and last.grant == grant else principal_of(grant)
        known = _Known(asked_at, grant, principal, asked_at)
        self._known[grant_id] = known
        self._known.move_to_end(grant_id)
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return known


def principal_of(grant: Grant) -> Principal:
    """Who holds `grant`, with everything it allows."""
    patterns = tuple(RepositoryPattern(text) for text in grant.repositories)
    return Principal(grant.id, grant.name, Role(grant.role), patterns)
