"""Time that does not go back, over restarts and for all gates on one database (threat 6).

    start        the latest time on record is held on to
    each minute  the present is noted on record, and the latest on record held on to

So a clock that is ahead by mistake for less than a minute is forgotten. One that was for longer is not, until an
administrator says that it was wrong (`imagegate clock accept`).
"""

import asyncio
from datetime import datetime, timedelta

import structlog

from config.errors import ImagegateError
from proxy.clock import SteadyClock
from proxy.identity.administrator import Administrator
from storage import audit, latest_time
from storage.audit import Event
from storage.database import Database

_EVERY_SECONDS = 60.0
_log = structlog.get_logger(__name__)


class Timekeeping:
    """Keeps a clock from going back."""

    def __init__(self, database: Database, clock: SteadyClock) -> None:
        self._database = database
        self._clock = clock

    async def note(self) -> None:
        """Note the present, and hold on to the latest time on record. Raises the `StorageError` family."""
        async with self._database.transaction() as tx:
            self._clock.hold(await latest_time.note(tx, self._clock()))

    async def load(self) -> None:
        """Hold on to the latest time on record. Raises the `StorageError` family."""
        async with self._database.snapshot() as tx:
            noted = await latest_time.read(tx)
        if noted is not None:
            self._clock.hold(noted)

    async def keep(self, seconds: float = _EVERY_SECONDS) -> None:
        """Note it every `seconds`, for ever."""
        while True:
            await asyncio.sleep(seconds)
            try:
                await self.note()
            except ImagegateError as error:
                _log.warning("the time is not noted", problem=str(error))

    def warnings(self) -> tuple[str, ...]:
        """What an operator should know of the clock."""
        behind = self._clock.behind
        if behind <= timedelta():
            return ()
        said = (
            f"the clock of this machine is {_rounded(behind)} behind the latest time on record, which counts instead,"
            " so that nothing that has expired is valid again: set the clock right; if it is right, and was ahead"
            " before, stop every gate and run imagegate clock accept"
        )
        return (said,)


async def accept(database: Database, now: datetime, by: Administrator) -> datetime | None:
    """Take `now` for the latest time, and record the act, in one transaction. Gives what was on record."""
    async with database.transaction() as tx:
        noted = await latest_time.replace(tx, now)
        detail = f"the latest time on record was {noted.isoformat()}" if noted else "no time was on record"
        await audit.append(tx, by.record(now, Event.CLOCK_ACCEPTED, detail=detail))
    return noted


def _rounded(duration: timedelta) -> timedelta:
    return timedelta(seconds=round(duration.total_seconds()))
