"""The audit: who did or tried what, from where, and what the gate answered. Append-only.

Much of a record is what strangers sent; it is made printable and cut to length when it is written (threat 82).
"""

import asyncio
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa
import structlog

from scanning.oci.names import Repository
from storage import last_pulls
from storage.database import Transaction
from storage.prepared import PreparedInsert
from storage.printable import printable
from storage.schema import audit


class Event(StrEnum):
    """What a record is about."""

    LOGIN_FAILED = "login-failed"
    SIGNED_IN = "signed-in"
    """Somebody began a session of the console."""
    ACCESS_DENIED = "access-denied"
    PUSH = "push"
    PULL = "pull"
    DELETE = "delete"
    PROMOTE = "promote"
    JUDGE = "judge"
    """A manifest that is known already was judged (again), and with another outcome than before."""
    TOKEN_CREATED = "token-created"  # noqa: S105 - the name of an event
    TOKEN_REVOKED = "token-revoked"  # noqa: S105 - the name of an event
    POLICY_CHANGED = "policy-changed"
    POLICY_WRITTEN = "policy-written"
    """An administrator wrote the policy file through the gate; that it is in force is another record."""
    SIGNER_ADDED = "signer-added"
    SIGNER_REMOVED = "signer-removed"
    BASE_APPROVED = "base-approved"
    PACKAGES_APPROVED = "packages-approved"
    APPROVAL_REVOKED = "approval-revoked"
    WAIVER_CREATED = "waiver-created"
    WAIVER_ENDED = "waiver-ended"
    FEEDS_CHANGED = "feeds-changed"
    BLOBS_COLLECTED = "blobs-collected"
    RECORDS_FORGOTTEN = "records-forgotten"
    CLOCK_ACCEPTED = "clock-accepted"
    """An administrator said that the latest time on record was wrong."""


DENIED = "denied"
"""The outcome of what somebody may not do."""
BEGUN = "begun"
"""The outcome of what is recorded before it is done, and once more when it is."""
REFUSED = "refused"
"""The outcome of what the registry was asked for, and said that it does not do."""
SERVED = "served"
"""The outcome of a pull that was answered with what was asked for."""


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One event. `actor` is a principal's name, `address` the client's, `outcome` one word, `reference` what was
    asked for and `digest` what that meant, `verdict` a verdict's id, `detail` a sentence.

    `times` is how often it happened within one second: whoever sends the same request again and again leaves one record
    of that second, with the time and the id of the first.
    """

    at: datetime
    event: Event
    actor: str
    address: str
    outcome: str
    repository: str = ""
    reference: str = ""
    digest: str = ""
    verdict: str = ""
    request_id: str = ""
    detail: str = ""
    times: int = 1


def as_document(number: int, record: AuditRecord) -> dict[str, Any]:
    """A record as JSON for programs: what /api/v1/audit and `imagegate audit list --json` give."""
    return {"number": number, **asdict(record), "at": record.at.isoformat()}


class RepeatedRecord:
    """A record that is encoded once and written often: only its time, its request and how often are open."""

    def __init__(self, record: AuditRecord) -> None:
        given = {"event": record.event, **_texts(record)}
        del given["request_id"]
        self._rest = _encode(given).encode()[1:] + b"\n"

    def line(self, at: str, request_id: str, times: int) -> bytes:
        """A line as `encode` makes it. `at` is in ISO format, `request_id` one of the gate's own making."""
        return b'{"times":%d,"at":"%s","request_id":"%s",%s' % (times, at.encode(), request_id.encode(), self._rest)


_log = structlog.get_logger(__name__)
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_REPEATED = re.compile(
    rb'\{"times":(?P<times>\d+),"at":"(?P<at>(?P<second>[^"]{19})[^"]*)","request_id":"(?P<request>[^"\\]*)",(?P<rest>.*)'
)
"""A line of `RepeatedRecord`: where the second and the rest are equal, lines become one record."""
_MOST_RESTS = 1024
_LINES_AT_ONCE = 50
_LONGEST_DETAIL = 4096
_LIMITS = {
    column.name: column.type.length or _LONGEST_DETAIL
    for column in audit.columns
    if isinstance(column.type, sa.String) and column.name != "event"
}


async def append(tx: Transaction, record: AuditRecord) -> None:
    """Add a record. Text that is too long for its column is cut, and ends in `…`."""
    values = _values(record)
    await tx.execute(sa.insert(audit).values(values))
    await last_pulls.note(tx, _served([values]))


def encode(record: AuditRecord) -> bytes:
    """A record as one line, as `append` would write it: what is kept until it can be added."""
    return _encode(_values(record) | {"at": record.at.isoformat()}).encode() + b"\n"


async def decode_lines(lines: bytes) -> list[dict[str, Any]]:
    """The records that `encode` made, to be added, and those of `RepeatedRecord`, of each second one.

    A line that a disk made unreadable is logged and left out. After a few lines the event loop gets to answer requests.
    """
    rows: list[dict[str, Any]] = []
    repeated: dict[tuple[bytes, bytes], dict[str, Any]] = {}
    for number, line in enumerate(lines.splitlines()):
        if number % _LINES_AT_ONCE == 0:
            await asyncio.sleep(0)
        found = _REPEATED.fullmatch(line)
        key = (found["second"], found["rest"]) if found else None
        known = repeated.get(key) if key else None
        if found and known is not None:
            known["times"] += int(found["times"])
        elif (row := (_decode_repeated(found) if found else None) or _decode(line)) is not None:
            rows.append(row)
            if key:
                repeated[key] = row
    return rows


async def append_decoded(tx: Transaction, rows: list[dict[str, Any]]) -> None:
    """Add what `decode_lines` gave, a few at a time: between them the event loop answers requests."""
    await _insertion(tx.dialect).add(tx, rows)
    await last_pulls.note(tx, _served(rows))


async def newest(
    tx: Transaction,
    *,
    event: Event | None = None,
    repository: Repository | None = None,
    actor: str = "",
    before: int | None = None,
    limit: int,
) -> tuple[tuple[int, AuditRecord], ...]:
    """The last `limit` records with their numbers, of one event, repository or actor or of all, with numbers below
    `before`; newest first.
    """
    query = sa.select(audit).order_by(audit.c.number.desc()).limit(limit)
    if before is not None:
        query = query.where(audit.c.number < before)
    if actor:
        query = query.where(audit.c.actor == actor)
    if event is not None:
        query = query.where(audit.c.event == event)
    if repository is not None:
        query = query.where(audit.c.repository == str(repository))
    return tuple((row.number, _record(row)) for row in await tx.execute(query))


async def newest_number(tx: Transaction) -> int:
    """The number of the record that was added last, 0 if there is none."""
    return await tx.scalar(sa.select(sa.func.max(audit.c.number))) or 0


async def policies(tx: Transaction, *, after: int = 0) -> frozenset[str]:
    """The digests of the policies that came into force, of records with numbers above `after`. Reads all of these."""
    query = sa.select(audit.c.digest).where(audit.c.event == Event.POLICY_CHANGED, audit.c.number > after)
    return frozenset(await tx.scalars(query))


@lru_cache(maxsize=8)
def _insertion(dialect: sa.Dialect) -> PreparedInsert:
    return PreparedInsert.of(sa.insert(audit), dialect, audit.c.number)


def _served(rows: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    return (row for row in rows if row["event"] == Event.PULL and row["outcome"] == SERVED)


def _values(record: AuditRecord) -> dict[str, Any]:
    return {"at": record.at, "event": record.event, **_texts(record), "times": record.times}


def _texts(record: AuditRecord) -> dict[str, str]:
    return {name: printable(getattr(record, name), limit) for name, limit in _LIMITS.items()}


def _decode_repeated(found: re.Match[bytes]) -> dict[str, Any] | None:
    """The same as `_decode` gives; None where the line cannot be read."""
    try:
        at = datetime.fromisoformat(found["at"].decode())
        return {"times": int(found["times"]), "at": at, "request_id": found["request"].decode(), **_rest(found["rest"])}
    except (ValueError, TypeError):
        return None


@lru_cache(maxsize=_MOST_RESTS)
def _rest(text: bytes) -> Mapping[str, Any]:
    """What the lines of a `RepeatedRecord` have in common; of a busy gate they are read again and again."""
    return MappingProxyType(json.loads(b"{" + text))


def _decode(line: bytes) -> dict[str, Any] | None:
    try:
        row: dict[str, Any] = json.loads(line)
        return {"times": 1, **row, "at": datetime.fromisoformat(row["at"])}
    except (ValueError, TypeError, KeyError):
        _log.critical("an audit record is lost: its line in the spool cannot be read", line=repr(line[:200]))
        return None


def _record(row: sa.Row[*tuple[Any, ...]]) -> AuditRecord:
    values = {field.name: getattr(row, field.name) for field in fields(AuditRecord)}
    return AuditRecord(**values | {"event": Event(row.event)})
