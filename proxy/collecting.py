"""Garbage collection of the embedded registry, by command and by schedule: done, and put on record."""

from datetime import datetime, timedelta

from config.settings import Content
from storage import audit
from storage.audit import AuditRecord, Event
from storage.collection import Collected, collect
from storage.content.port import ContentStore
from storage.database import Database


def needed_since(settings: Content, now: datetime) -> datetime:
    """The time that collection goes back to: what nobody has needed since then may go."""
    return now - timedelta(hours=settings.grace_hours)


async def collect_and_record(
    database: Database, content: ContentStore, settings: Content, now: datetime, *, actor: str, address: str = ""
) -> Collected:
    """Collect what may go `now`; in the audit it is `actor` who did. Nothing to collect leaves no record."""
    collected = await collect(database, content, needed_since(settings, now))
    if collected:
        record = AuditRecord(
            at=now,
            event=Event.BLOBS_COLLECTED,
            actor=actor,
            address=address,
            outcome="collected",
            detail=sentence(collected),
        )
        async with database.transaction() as tx:
            await audit.append(tx, record)
    return collected


def sentence(collected: Collected) -> str:
    """What was, or would be, collected."""
    return (
        f"{collected.unlinked} blobs that no manifest refers to, of {collected.repositories} repositories;"
        f" {collected.removed} files, {collected.removed_bytes:,} bytes"
    )
