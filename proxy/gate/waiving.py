"""An administrator makes an exception, or ends one: recorded and audited in one transaction.

Every process that serves takes notice by itself: exceptions on record are a part of the policy in force (`PolicyFile`).
"""

import secrets
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from config.policy import Waiver
from proxy.clock import Clock
from proxy.errors import BadRequestError, NotFoundError
from proxy.identity.administrator import Administrator
from proxy.identity.principal import Principal
from storage import audit, waivers
from storage.audit import AuditRecord, Event
from storage.database import Database
from storage.waivers import WaiverRecord

_LONGEST_AUTHOR = 128
_LONGEST_REASON = 4096
_MOST_COVERED = 1000


async def waive(database: Database, waiver: Waiver, by: Administrator, now: datetime) -> WaiverRecord:
    """Record an exception, under an id of its own. Raises `BadRequestError` for one that has ended already, or could
    not be kept.
    """
    made = waiver.model_copy(update={"id": secrets.token_hex(8)})
    _check(made, now)
    record = WaiverRecord(made, now, by.name)
    async with database.transaction() as tx:
        await waivers.add(tx, record)
        await audit.append(tx, _audit(Event.WAIVER_CREATED, record, by, now))
    return record


async def end(database: Database, waiver_id: str, by: Administrator, now: datetime) -> WaiverRecord:
    """End an exception. Raises `NotFoundError` if there is none with this id that counts still."""
    async with database.transaction() as tx:
        record = await waivers.get(tx, waiver_id)
        if record is None or not record.holds(now) or not await waivers.end(tx, waiver_id, by.name, now):
            raise NotFoundError(
                f"there is no exception {waiver_id[:40]} on record that counts; imagegate waiver list shows them, and"
                " those of the policy end in its file"
            )
        await audit.append(tx, _audit(Event.WAIVER_ENDED, record, by, now))
    return record


async def known(database: Database, waiver_id: str, principal: Principal) -> WaiverRecord:
    """An exception on record, counting or not, that holds in repositories of `principal`. Raises `NotFoundError`."""
    async with database.snapshot() as tx:
        record = await waivers.get(tx, waiver_id)
    if record is None or not principal.is_concerned_by(record.waiver.repositories):
        raise NotFoundError(f"there is no exception {waiver_id[:40]} on record; imagegate waiver list shows them")
    return record


async def in_force_now(database: Database, clock: Clock) -> tuple[Waiver, ...]:
    """The exceptions on record that count now. Raises the `StorageError` family."""
    async with database.snapshot() as tx:
        return await waivers.in_force(tx, clock())


def as_document(record: WaiverRecord, now: datetime) -> dict[str, Any]:
    """An exception on record as JSON for programs, and what became of it: what /api/v1/waivers and `imagegate waiver
    list --json` give.
    """
    return waiver_as_document(record.waiver) | {
        "in_force": record.holds(now),
        "created_at": record.created_at.isoformat(),
        "created_by": record.created_by,
        "ended_at": record.ended_at.isoformat() if record.ended_at else None,
        "ended_by": record.ended_by or None,
    }


def waiver_as_document(waiver: Waiver) -> dict[str, Any]:
    """An exception of the policy file, or the part of one on record that such a one has too."""
    return waiver.model_dump(mode="json") | {"id": waiver.id or None, "digest": waiver.digest or None}


def _check(waiver: Waiver, now: datetime) -> None:
    texts: Iterable[str] = (waiver.reason, waiver.author, *waiver.findings)
    if any("\0" in text for text in texts):
        raise BadRequestError(
            "a NUL stands in a text of the exception, where not every database keeps one; leave it out"
        )
    if not waiver.reason.strip() or len(waiver.reason) > _LONGEST_REASON or len(waiver.author) > _LONGEST_AUTHOR:
        raise BadRequestError(
            f"an exception needs a reason of at most {_LONGEST_REASON} characters, and an author of at most"
            f" {_LONGEST_AUTHOR}"
        )
    if not all(finding.strip() for finding in waiver.findings):
        raise BadRequestError("one of the findings is empty; name each by its id, such as CVE-2019-10906")
    if len(waiver.covered) + len(waiver.repositories) > _MOST_COVERED:
        raise BadRequestError(f"an exception names at most {_MOST_COVERED} things; make several")
    if waiver.expires <= now:
        raise BadRequestError(f"the exception has ended already ({waiver.expires.isoformat()}); choose a later end")


def _audit(event: Event, record: WaiverRecord, by: Administrator, now: datetime) -> AuditRecord:
    waiver = record.waiver
    covered = ", ".join(waiver.covered)
    where = ", ".join(map(str, waiver.repositories))
    only = f" of {waiver.digest}" if waiver.digest else ""
    until = f"until {waiver.expires.isoformat()}, author {waiver.author}"
    detail = f"exception {waiver.id} of {covered} in {where}{only} {until}: {waiver.reason}"
    return by.record(now, event, digest=waiver.digest, detail=detail)
