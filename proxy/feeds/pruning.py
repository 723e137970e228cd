"""Old advisory snapshots are removed, by command and after each update: what no verdict in force was made of."""

import asyncio
from datetime import datetime

from config.wording import counted
from proxy.identity.administrator import Administrator
from storage import audit, verdicts
from storage.audit import Event
from storage.database import Database
from storage.snapshots import Pruned, Snapshots


async def prune(
    database: Database, snapshots: Snapshots, keep_days: int, now: datetime, *, dry_run: bool = False
) -> Pruned:
    """Remove what is older than `keep_days` days, and what is older than one day but for the last of each day. The
    snapshot in force stays, and those that the last verdict on a manifest on record names. With `dry_run`, only tell.

    Raises the `StorageError` family.
    """
    async with database.snapshot() as tx:
        named = await verdicts.snapshots_named(tx)
    return await asyncio.to_thread(snapshots.prune, named, keep_days, now, dry_run=dry_run)


async def prune_and_record(
    database: Database, snapshots: Snapshots, keep_days: int, now: datetime, by: Administrator
) -> Pruned:
    """The same, done `by` somebody who is named in the audit. Nothing to remove leaves no record."""
    pruned = await prune(database, snapshots, keep_days, now)
    if pruned:
        async with database.transaction() as tx:
            record = by.record(now, Event.FEEDS_CHANGED, outcome="pruned", detail=sentence(pruned))
            await audit.append(tx, record)
    return pruned


def sentence(pruned: Pruned) -> str:
    """What was, or would be, removed."""
    return f"{counted(pruned.snapshots, 'snapshot')}; {counted(pruned.files, 'file')}, {pruned.size:,} bytes"
