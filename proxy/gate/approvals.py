"""The approvals in force, read again when somebody approved or revoked something, in whatever process."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from config.errors import ImagegateError
from scanning.approvals import Approvals
from scanning.oci.digest import Digest
from storage import approvals
from storage.approvals import Stamp
from storage.database import Database

_log = structlog.get_logger(__name__)


class ApprovalDesk:
    """Keeps what is approved at hand. Nothing is until it was loaded."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._seen: Stamp = (0, 0)
        self._told: Digest | None = None
        self.current = Approvals()

    async def load(self) -> None:
        """Read what is in force as what everybody knows of. Raises the `StorageError` family."""
        self._told = (await self.now()).digest

    async def now(self) -> Approvals:
        """What is in force at this moment, whoever changed it. Raises the `StorageError` family.

        Whoever judges asks for it: a push just after an approval must find it.
        """
        async with self._database.snapshot() as tx:
            seen = await approvals.stamp(tx)
            if seen == self._seen:
                return self.current
            found = await approvals.in_force(tx)
        if seen > self._seen:  # both numbers only grow, so nobody who began before replaces what is newer
            self._seen, self.current = seen, found
        return found

    async def watch(self, changed: Callable[[], Awaitable[None]], seconds: float = 1.0) -> None:
        """Look for changes every `seconds` for ever; call `changed` after one."""
        while True:
            await asyncio.sleep(seconds)
            await self.reload_if_changed(changed)

    async def reload_if_changed(self, changed: Callable[[], Awaitable[None]]) -> None:
        """Read what another process, task or person has changed, if anything."""
        try:
            current = await self.now()
            if current.digest != self._told:
                _log.info("approvals in force", approvals=str(current.digest))
                self._told = current.digest
                await changed()
        except ImagegateError as error:
            _log.error("the approvals in force stay", problem=str(error))
