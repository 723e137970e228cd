"""When tokens were last used, so that an admin finds those that nobody needs any more.

A login only notes it in memory. It is written down once a minute, for all that were used meanwhile; what a crash loses
of that is worth no writing at every login.
"""

import asyncio

import structlog

from config.errors import ImagegateError
from proxy.clock import Clock
from storage import grants
from storage.database import Database

_WRITE_SECONDS = 60.0
_log = structlog.get_logger(__name__)


class TokenUses:
    """The uses that one process has seen and not written down."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._seen: set[str] = set()

    def note(self, grant: str) -> None:
        """A token of this grant was used just now."""
        self._seen.add(grant)

    async def keep_writing(self) -> None:
        """Write down every minute, for ever."""
        while True:
            await asyncio.sleep(_WRITE_SECONDS)
            await self.write()

    async def write(self) -> None:
        """Write down what was seen. Where that fails it is logged, and tried again the next time."""
        seen, self._seen = self._seen, set()
        if not seen:
            return
        try:
            async with self._database.transaction() as tx:
                await grants.note_used(tx, seen, self._clock())
        except ImagegateError as error:
            self._seen |= seen
            _log.warning("when tokens were used is not written down yet", problem=str(error))
