"""A fair queue: whoever waits is served in turn with the others, however much one of them asks for (threat 75).

a a a a      b      c c        waiting, by tenant
a b c a c a a                  served
"""

import asyncio
from collections import OrderedDict, deque
from typing import Generic, TypeVar

from proxy.inspection.errors import InspectionQueueFullError

Item = TypeVar("Item")


class FairQueue(Generic[Item]):
    """Who waits for an item, by tenant. `most` bounds how many turns of one tenant wait; the gate itself, the tenant
    "", is not bounded.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._tenants: OrderedDict[str, deque[asyncio.Future[Item]]] = OrderedDict()

    def join(self, tenant: str) -> asyncio.Future[Item]:
        """A turn, to be awaited. Raises `InspectionQueueFullError`."""
        turns = self._tenants.get(tenant, ())
        if tenant and len(turns) >= self._most:
            raise InspectionQueueFullError(
                f"{len(turns)} layers of this token wait to be inspected already; push or pull less at a time"
            )
        turn: asyncio.Future[Item] = asyncio.get_running_loop().create_future()
        self._tenants.setdefault(tenant, deque()).append(turn)
        return turn

    def leave(self, tenant: str, turn: asyncio.Future[Item]) -> None:
        """Wait no longer; a turn that was served is no error."""
        turns = self._tenants.get(tenant)
        if turns is not None and turn in turns:
            turns.remove(turn)
            if not turns:
                del self._tenants[tenant]

    def serve(self, item: Item) -> bool:
        """Give `item` to whoever is next; False if nobody waits."""
        while self._tenants:
            tenant, turns = self._tenants.popitem(last=False)
            turn = turns.popleft()
            if turns:
                self._tenants[tenant] = turns  # behind all others
            if not turn.done():
                turn.set_result(item)
                return True
        return False

    def fail(self, error: Exception) -> None:
        """Tell all who wait that there will be nothing."""
        while self._tenants:
            _, turns = self._tenants.popitem()
            for turn in turns:
                if not turn.done():
                    turn.set_exception(error)
