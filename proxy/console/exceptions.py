"""/console/exceptions: what is accepted for a while, beside the policy file; for admins."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from aiohttp import web
from pydantic import ValidationError

from config.errors import ImagegateError
from config.policy import Waiver
from config.vocabulary import ToolKind
from proxy.admin.administering import administrator
from proxy.admin.parameters import check_parameters
from proxy.console.fields import read_end, read_patterns
from proxy.console.pages import done, page, status_of
from proxy.errors import BadRequestError
from proxy.gate import waiving
from proxy.identity.administrator import Administrator
from proxy.routing import Call
from storage import waivers
from storage.waivers import WaiverRecord

_LIST = "/console/exceptions"
_FIELDS = ("findings", "packages", "tools", "repositories", "digest", "reason", "expires")
_EMPTY = {**dict.fromkeys(_FIELDS, ""), "expires": "30d"}


async def listing(call: Call) -> web.StreamResponse:
    """Every exception on record, those of the policy file, and a form for another, which may know already for what."""
    query = call.request.rel_url.query
    check_parameters(query, "repositories", "digest")
    return await _listing(call, {**_EMPTY, **query})


async def create(call: Call, form: Mapping[str, str]) -> web.StreamResponse:
    """Make an exception."""
    try:
        patterns = read_patterns(form.get("repositories", ""))
        by = await administrator(call, patterns)
        now = call.services.clock()
        waiver = _read({**_EMPTY, **form}, patterns, by, now)
        record = await waiving.waive(call.services.database, waiver, by, now)
    except ImagegateError as error:
        return await _listing(call, {**_EMPTY, **form}, str(error), status=status_of(error))
    said = f"Accepted until {record.waiver.expires:%Y-%m-%d %H:%M} UTC; in force within a second."
    return done(call, _LIST, said)


async def show(call: Call) -> web.StreamResponse:
    """One exception, and a button that ends it."""
    check_parameters(call.request.rel_url.query)
    await administrator(call)
    record = await _known(call)
    return await page(
        call, "exception.html", section="exceptions", record=record, is_live=record.holds(call.services.clock())
    )


async def end(call: Call, _form: Mapping[str, str]) -> web.StreamResponse:
    """End an exception. What rests on it is judged again."""
    await administrator(call)
    record = await _known(call)
    by = await administrator(call, record.waiver.repositories)
    await waiving.end(call.services.database, record.waiver.id, by, call.services.clock())
    return done(call, _LIST, f"The exception {record.waiver.id} has ended; what rests on it is judged again.")


async def _listing(call: Call, form: Mapping[str, str], problem: str = "", *, status: int = 200) -> web.Response:
    await administrator(call)
    now, services = call.services.clock(), call.services
    async with services.database.snapshot() as tx:
        found = await waivers.list_all(tx)
    concerns = call.caller.principal.is_concerned_by
    of_file = [
        waiver
        for waiver in services.policy.written.policy.waivers
        if waiver.expires > now and concerns(waiver.repositories)
    ]
    return await page(
        call,
        "exceptions.html",
        section="exceptions",
        status=status,
        problem=problem,
        rows=[(record, record.holds(now)) for record in found if concerns(record.waiver.repositories)],
        of_file=of_file,
        form=form,
        tools=tuple(ToolKind),
    )


def _read(form: Mapping[str, str], patterns: tuple[Any, ...], by: Administrator, now: datetime) -> Waiver:
    """The exception in a form. Raises `BadRequestError`."""
    expires = read_end(form["expires"].strip(), now)
    try:
        return Waiver.model_validate(
            {
                "repositories": patterns,
                "findings": tuple(form["findings"].split()),
                "packages": tuple(form["packages"].split()),
                "tools": tuple(form["tools"].split()),
                "digest": form["digest"].strip(),
                "reason": form["reason"].strip(),
                "author": by.name,
                "expires": expires,
            }
        )
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"][:1]))
        raise BadRequestError(f"{place}: {first['msg']}" if place else first["msg"]) from error


async def _known(call: Call) -> WaiverRecord:
    return await waiving.known(call.services.database, call.parameters["id"], call.caller.principal)
