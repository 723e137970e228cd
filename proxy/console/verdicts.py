"""/console/verdicts: what was decided, why, and what to do about it."""

import asyncio
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from aiohttp import web

from config.vocabulary import Effect
from proxy.admin.administering import administrator
from proxy.admin.parameters import check_parameters, one_of
from proxy.console.pages import page
from proxy.console.rows import verdict_row
from proxy.errors import NotFoundError
from proxy.gate import decided
from proxy.gate.report import Explained, by_place, contents, headline_of_all, in_rows, record_of, summary
from proxy.routing import Call
from scanning.advice import Action, advise
from scanning.oci.names import Repository
from scanning.verdict import Outcome, Verdict

_PAGE = 50


@dataclass(frozen=True, slots=True)
class ToDo:
    """One thing to do: what it is about, by place, and the steps, any of them all that is needed."""

    title: str
    part: str
    rule: str
    effect: Effect
    places: tuple[tuple[str, tuple[str, ...]], ...]
    steps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Story:
    """A verdict as a page tells it: the same as `imagegate verdict show`."""

    headline: str
    summary: str
    parts: tuple[tuple[Explained, str], ...]
    to_do: tuple[ToDo, ...]
    remarks: tuple[ToDo, ...]
    basis: tuple[tuple[str, str], ...]


async def listing(call: Call) -> web.StreamResponse:
    """The newest verdicts, of one repository or outcome if that is asked for."""
    query = call.request.rel_url.query
    check_parameters(query, "repository", "outcome", "last")
    name, outcome = query.get("repository", "").strip(), one_of(query.get("outcome", ""), Outcome, "outcome")
    found = await decided.newest(
        call.services.database,
        call.caller.principal,
        repository=Repository(name) if name else None,
        outcome=outcome,
        before=query.get("last", ""),
        limit=_PAGE,
    )
    kept = {"repository": name, "outcome": outcome or ""}
    return await page(
        call,
        "verdicts.html",
        section="verdicts",
        rows=[verdict_row(verdict) for verdict in found.verdicts],
        repository=name,
        outcome=outcome,
        outcomes=tuple(Outcome),
        older=urlencode({key: value for key, value in kept.items() if value} | {"last": found.older})
        if found.older
        else "",
        is_first="last" not in query,
    )


async def show(call: Call) -> web.StreamResponse:
    """One verdict with every reason."""
    check_parameters(call.request.rel_url.query)
    verdict = await known(call)
    explained = await call.services.replay.explained(verdict)
    return await page(
        call,
        "verdict.html",
        section="verdicts",
        row=verdict_row(verdict),
        verdict=verdict,
        story=await asyncio.to_thread(told, explained),
    )


async def replay(call: Call) -> web.StreamResponse:
    """The verdict made again from what it names, beside what it said then. For admins."""
    check_parameters(call.request.rel_url.query)
    await administrator(call)
    old = await known(call)
    desk = call.services.replay
    case, _ = await desk.case(old)
    new = await desk.again(old)
    then, now = [await asyncio.to_thread(told, (Explained(one, case),)) for one in (old, new)]
    return await page(
        call,
        "replay.html",
        section="verdicts",
        row=verdict_row(old),
        row_now=verdict_row(new),
        is_same=old.decision == new.decision,
        says_more=old != dataclasses.replace(new, id=old.id),
        then=then,
        now=now,
    )


async def known(call: Call) -> Verdict:
    """The verdict in the path. Raises `NotFoundError`."""
    verdict = await decided.read(call.services.database, call.caller.principal, call.parameters["id"])
    if verdict is None:
        raise NotFoundError("there is no such verdict, or its repository is not yours to see")
    return verdict


def told(parts: Sequence[Explained]) -> Story:
    """All of it. Work, for large images."""
    several = len(parts) > 1
    actions = [(part, action) for part in parts for action in advise(part.case, part.verdict)]
    listed = [_to_do(action, part.name if several else "") for part, action in actions]
    to_do = tuple(one for one in listed if one.effect is not Effect.WARN)
    remarks = tuple(one for one in listed if one.effect is Effect.WARN)
    return Story(
        headline_of_all(parts),
        summary(parts[0].verdict, len(to_do), len(remarks)),
        tuple((part, contents(part)) for part in parts),
        to_do,
        remarks,
        record_of(parts[0]).lines,
    )


def _to_do(action: Action, part: str) -> ToDo:
    places = tuple((place, tuple(in_rows(items))) for place, items in by_place(action.items))
    return ToDo(action.title, part, action.rule, action.effect, places, action.steps)
