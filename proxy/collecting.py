"""What nobody needs any more goes, by command and by schedule, and that is put on record: blobs of the embedded
registry, and what the gate knows of images that are gone.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from config.settings import Settings
from config.wording import counted
from proxy.identity.administrator import Administrator
from scanning.oci.names import Repository
from storage import audit, collection, forgetting
from storage.audit import AuditRecord, Event
from storage.collection import Collected
from storage.content.port import ContentStore
from storage.database import Database
from storage.forgetting import Bounds, Forgotten


@dataclass(frozen=True, slots=True)
class Cleared:
    """What went, or would go: blobs, and records."""

    blobs: Collected
    records: Forgotten


async def preview(database: Database, content: ContentStore, settings: Settings, now: datetime) -> Cleared:
    """What `clear_and_record` would remove now; nothing is changed. What a blob that goes leaves on record goes next
    time.

    Raises the `StorageError` family.
    """
    return Cleared(
        await collection.preview(database, content, _needed_since(settings, now)),
        await forgetting.preview(database, _bounds(settings, now)),
    )


async def clear_and_record(
    database: Database, content: ContentStore, settings: Settings, now: datetime, by: Administrator
) -> Cleared:
    """Remove what may go `now`, done `by` somebody who is named in the audit. Nothing to remove leaves no record.

    Raises the `StorageError` family; what was done until then is right.
    """
    # Records first: so the preview, which removes no blob, says the same.
    forgotten = await forgetting.forget(database, _bounds(settings, now))
    if forgotten:
        await _put(database, by.record(now, Event.RECORDS_FORGOTTEN, outcome="forgotten", detail=of_records(forgotten)))
    collected = await collection.collect(database, content, _needed_since(settings, now))
    if collected:
        await _put(database, by.record(now, Event.BLOBS_COLLECTED, outcome="collected", detail=of_blobs(collected)))
    return Cleared(collected, forgotten)


def of_blobs(collected: Collected) -> str:
    """What blobs were, or would be, removed."""
    return (
        f"{counted(collected.unlinked, 'blob')} that no manifest refers to, of"
        f" {counted(collected.repositories, 'repository', 'repositories')};"
        f" {counted(collected.removed, 'file')}, {collected.removed_bytes:,} bytes"
    )


def of_records(forgotten: Forgotten) -> str:
    """What records were, or would be, forgotten."""
    return (
        f"{counted(forgotten.verdicts, 'old verdict')}, what was found in {counted(forgotten.layers, 'unused layer')},"
        f" {counted(forgotten.documents, 'document')} that nothing names,"
        f" {counted(forgotten.manifests, 'image')} that nobody pulls, and since when"
        f" {counted(forgotten.packages, 'package version')} that no image was judged with for as long had been known"
    )


def _needed_since(settings: Settings, now: datetime) -> datetime:
    """The time that collection goes back to: what nobody has needed since then may go."""
    return now - timedelta(hours=settings.content.grace_hours)


def _bounds(settings: Settings, now: datetime) -> Bounds:
    keep, unasked = settings.records.keep_days, settings.records.unasked_days

    def is_remote(repository: Repository) -> bool:
        return settings.upstream_of(repository.name).kind == "remote"

    return Bounds(
        now - timedelta(days=keep) if keep else None,
        _needed_since(settings, now),
        now - timedelta(days=unasked) if unasked else None,
        is_remote,
    )


async def _put(database: Database, record: AuditRecord) -> None:
    async with database.transaction() as tx:
        await audit.append(tx, record)
