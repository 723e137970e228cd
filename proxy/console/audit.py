"""/console/audit: who did what, and what the gate answered; for admins of what it was done to."""

import asyncio
import csv
import io
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from typing import Final
from urllib.parse import urlencode

from aiohttp import hdrs, web

from proxy.admin.administering import administrator
from proxy.admin.audit_question import AuditQuestion, answer, read_question
from proxy.admin.parameters import check_parameters
from proxy.console.pages import page
from proxy.errors import BadRequestError
from proxy.routing import Call
from storage.audit import AuditRecord, Event

_PAGE: Final = 100
_MOST_DOWNLOADED: Final = 10_000
_FORMULA = re.compile(r"(^|[;\t])(?=[ \"']*[=+@\t\r-])")
"""Where spreadsheets take a text for a formula: at its beginning, and behind semicolons, which part cells where numbers
are written with commas.
"""
_Numbered = tuple[int, AuditRecord]


async def listing(call: Call) -> web.StreamResponse:
    """The newest records, of one repository, event or actor if that is asked for; of no repository yet for an admin of
    some, who is to name one of these.
    """
    check_parameters(call.request.rel_url.query, "repository", "event", "actor", "last")
    question = _asked_for(call.request.rel_url.query)
    await administrator(call)
    is_to_name_one = question.repository is None and not call.caller.principal.covers_all_of(question.concerns)
    found = () if is_to_name_one else await answer(call, question, _PAGE + 1)
    shown = found[:_PAGE]
    form = _form_of(question)
    kept = {name: value for name, value in form.items() if value}
    older = urlencode({**kept, "last": shown[-1][0]}) if len(found) > _PAGE else ""
    return await page(
        call,
        "audit.html",
        section="audit",
        rows=[record for _, record in shown],
        wanted=form,
        is_to_name_one=is_to_name_one,
        events=tuple(Event),
        is_first=question.before is None,
        older=older,
        download=urlencode(kept),
        most=_MOST_DOWNLOADED,
    )


async def download(call: Call) -> web.StreamResponse:
    """The newest records as a file: `?format=csv` for spreadsheets, or `jsonl`, one JSON object a line."""
    query = call.request.rel_url.query
    check_parameters(query, "repository", "event", "actor", "format")
    form = query.get("format", "")
    if form not in ("csv", "jsonl"):
        raise BadRequestError(f"there is no format {form[:20]!r}; there are csv and jsonl")
    found = await answer(call, _asked_for(query), _MOST_DOWNLOADED)
    text = await asyncio.to_thread(_csv if form == "csv" else _lines, found)
    return web.Response(
        text=text,
        content_type="text/csv" if form == "csv" else "application/jsonl",
        headers={hdrs.CONTENT_DISPOSITION: f'attachment; filename="audit.{form}"'},
    )


def _asked_for(query: Mapping[str, str]) -> AuditQuestion:
    """What a form asks for: blanks around what people write are none of it."""
    written = {name: query[name].strip() for name in ("repository", "actor") if name in query}
    return read_question({**query, **written})


def _form_of(question: AuditQuestion) -> dict[str, str]:
    """What the form shows of a question that was asked by it."""
    return {
        "repository": str(question.repository or ""),
        "event": str(question.event or ""),
        "actor": question.actor,
    }


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
    return _FORMULA.sub(r"\1'", text)
