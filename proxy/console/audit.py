"""/console/audit: who did what, and what the gate answered; for admins of what it was done to."""

import asyncio
import csv
import io
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from typing import Final
from urllib.parse import urlencode

from aiohttp import hdrs, web
from multidict import MultiMapping

from config.patterns import RepositoryPattern
from proxy.admin.administering import administrator
from proxy.admin.parameters import check_parameters
from proxy.console.pages import page
from proxy.errors import BadRequestError
from proxy.routing import Call
from scanning.oci.names import Repository
from storage import audit
from storage.audit import AuditRecord, Event

_PAGE: Final = 100
_MOST_DOWNLOADED: Final = 10_000
_EVERYTHING = RepositoryPattern("**")
_FORMULAS = ("=", "+", "-", "@", "\t", "\r")
"""What spreadsheets take for the beginning of a formula."""
_Numbered = tuple[int, AuditRecord]


@dataclass(frozen=True, slots=True)
class _Filter:
    """Which records are wanted; `before` is the number that all of them are below."""

    repository: Repository | None
    event: Event | None
    actor: str
    before: int | None

    @property
    def fields(self) -> dict[str, str]:
        """The same as a form has it, without `before`."""
        return {"repository": str(self.repository or ""), "event": str(self.event or ""), "actor": self.actor}

    @property
    def query(self) -> dict[str, str]:
        """What of that is not empty."""
        return {name: value for name, value in self.fields.items() if value}


async def listing(call: Call) -> web.StreamResponse:
    """The newest records, of one repository, event or actor if that is asked for; of no repository yet for an admin of
    some, who is to name one of these.
    """
    check_parameters(call.request.rel_url.query, "repository", "event", "actor", "last")
    wanted = _asked_for(call.request.rel_url.query)
    await administrator(call)
    is_to_name_one = wanted.repository is None and not call.caller.principal.covers_all_of(_EVERYTHING)
    found = () if is_to_name_one else await _records(call, wanted, _PAGE + 1)
    shown = found[:_PAGE]
    older = urlencode({**wanted.query, "last": shown[-1][0]}) if len(found) > _PAGE else ""
    return await page(
        call,
        "audit.html",
        section="audit",
        rows=[record for _, record in shown],
        wanted=wanted.fields,
        is_to_name_one=is_to_name_one,
        events=tuple(Event),
        is_first=wanted.before is None,
        older=older,
        download=urlencode(wanted.query),
        most=_MOST_DOWNLOADED,
    )


async def download(call: Call) -> web.StreamResponse:
    """The newest records as a file: `?format=csv` for spreadsheets, or `jsonl`, one JSON object a line."""
    query = call.request.rel_url.query
    check_parameters(query, "repository", "event", "actor", "format")
    form = query.get("format", "")
    if form not in ("csv", "jsonl"):
        raise BadRequestError(f"there is no format {form[:20]!r}; there are csv and jsonl")
    found = await _records(call, _asked_for(query), _MOST_DOWNLOADED)
    text = await asyncio.to_thread(_csv if form == "csv" else _lines, found)
    return web.Response(
        text=text,
        content_type="text/csv" if form == "csv" else "application/jsonl",
        headers={hdrs.CONTENT_DISPOSITION: f'attachment; filename="audit.{form}"'},
    )


def _asked_for(query: MultiMapping[str]) -> _Filter:
    name, event = query.get("repository", "").strip(), query.get("event", "")
    if event and event not in tuple(Event):
        raise BadRequestError(f"there is no event {event[:40]!r}; there are {', '.join(Event)}")
    repository = Repository(name) if name else None
    return _Filter(repository, Event(event) if event else None, query.get("actor", "").strip(), _number(query))


def _number(query: MultiMapping[str]) -> int | None:
    text = query.get("last", "")
    if text and not (text.isascii() and text.isdecimal() and len(text) <= 18):
        raise BadRequestError(f"last is {text[:20]!r}; write the number of a record")
    return int(text) if text else None


async def _records(call: Call, wanted: _Filter, limit: int) -> tuple[_Numbered, ...]:
    """What is wanted, for whoever may have it: an admin of some repositories may for one of them."""
    named = RepositoryPattern(wanted.repository.name) if wanted.repository else _EVERYTHING
    await administrator(call, (named,))
    async with call.services.database.snapshot() as tx:
        return await audit.newest(
            tx,
            event=wanted.event,
            repository=wanted.repository,
            actor=wanted.actor,
            before=wanted.before,
            limit=limit,
        )


def _lines(found: Iterable[_Numbered]) -> str:
    return "".join(f"{json.dumps({'number': number, **asdict(one)}, default=str)}\n" for number, one in found)


def _csv(found: Iterable[_Numbered]) -> str:
    """Strangers choose what stands in some cells; none of them is a formula (OWASP, "CSV injection")."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(["number", *(field.name for field in fields(AuditRecord))])
    for number, one in found:
        values = {**asdict(one), "at": one.at.isoformat()}
        writer.writerow([number, *(_cell(str(value)) for value in values.values())])
    return text.getvalue()


def _cell(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULAS) else text
