"""Whether a grant is alive, asked on every request and answered from memory for at most five seconds (threat 8)."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from config.patterns import RepositoryPattern
from proxy.clock import Clock
from proxy.identity.principal import Principal, Role
from storage.grants import Grant

MAX_AGE_SECONDS = 5.0
_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class _Known:
    loaded_at: float
    grant: Grant
    principal: Principal


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

    async def find(self, grant_id: str) -> tuple[Grant, Principal] | None:
        """The grant and who holds it; None if there is none, or it expired or was revoked."""
        known = self._recent(grant_id) or await self._reload(grant_id)
        if known is None or not known.grant.is_alive(self._clock()):
            return None
        return known.grant, known.principal

    def recall(self, grant_id: str) -> Principal | None:
        """Who holds the grant, if that is known without asking; the same object as long as nobody asked again."""
        known = self._recent(grant_id)
        return known.principal if known is not None and known.grant.is_alive(self._clock()) else None

    def _recent(self, grant_id: str) -> _Known | None:
        known = self._known.get(grant_id)
        return known if known is not None and self._monotonic() - known.loaded_at < self._max_age else None

    async def _reload(self, grant_id: str) -> _Known | None:
        asked_at = self._monotonic()  # before the question: the answer is at least as fresh as this
        grant = await self._load(grant_id)
        if grant is None:
            self._known.pop(grant_id, None)
            return None
        known = _Known(asked_at, grant, principal_of(grant))
        self._known[grant_id] = known
        self._known.move_to_end(grant_id)
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return known


def principal_of(grant: Grant) -> Principal:
    """Who holds `grant`, with everything it allows."""
    patterns = tuple(RepositoryPattern(text) for text in grant.repositories)
    return Principal(grant.id, grant.name, Role(grant.role), patterns)
