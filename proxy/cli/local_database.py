"""The gate's records, opened by a command on the machine where they lie. Most commands need nothing else."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from config.errors import ImagegateError
from config.settings import Settings
from proxy.state_folder import make_state_folder
from storage.database import Database


class NoStateError(ImagegateError):
    """No gate has left anything where the settings say that its state is."""


@asynccontextmanager
async def open_database(settings: Settings, *, may_be_new: bool = False) -> AsyncIterator[Database]:
    """Open the database that `settings` name, and close it afterwards.

    Raises `NoStateError` where there is none yet, so that a mistyped folder is no gate that knows nothing; it is made
    for a command that prepares a gate, which says `may_be_new`.
    """
    if not may_be_new and not settings.has_database:
        raise NoStateError(
            f"there is no gate in {settings.state_dir}: name the folder of yours with --state-dir, or its settings file"
            " with --config; imagegate serve starts a new one"
        )
    make_state_folder(settings.state_dir)
    database = await Database.open(settings.database)
    try:
        yield database
    finally:
        await database.close()
