"""The approvals in force, read again when somebody approved or revoked something, in whatever process."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from config.errors import ImagegateError
from scanning.approvals import Approvals
from storage import approvals
from storage.approvals import Stamp
from storage.database import Database

_log = structlog.get_logger(__name__)


class ApprovalDesk:
    """Keeps what is approved at hand. Nothing is until it was loaded."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._seen: Stamp | None = None
        self.current = Approvals()

    async def load(self) -> None:
        """Read what is in force. Raises the `StorageError` family."""
        async with self._database.snapshot() as tx:
            seen = await approvals.stamp(tx)
            if seen != self._seen:
                self.current = await approvals.in_force(tx)
        self._seen = seen

    async def watch(self, changed: Callable[[], Awaitable[None]], seconds: float = 1.0) -> None:
        """Look for changes every `seconds` for ever; call `changed` after one."""
        while True:
            await asyncio.sleep(seconds)
            await self.reload_if_changed(changed)

    async def reload_if_changed(self, changed: Callable[[], Awaitable[None]]) -> None:
        """Read what another process, task or person has changed, if anything."""
        before = self.current.digest
        try:
            await self.load()
            if self.current.digest != before:
                _log.info("approvals in force", approvals=str(self.current.digest))
                await changed()
        except ImagegateError as error:
            _log.error("the approvals in force stay", problem=str(error))
