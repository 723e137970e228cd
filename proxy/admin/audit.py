"""/api/v1/audit: who did what, and what the gate answered; for admins of what it was done to."""

from dataclasses import asdict
from typing import Any

from aiohttp import web
from multidict import MultiMapping

from config.patterns import RepositoryPattern
from proxy.admin.administering import administrator
from proxy.admin.pages import cut, wanted
from proxy.admin.parameters import check_parameters
from proxy.errors import BadRequestError
from proxy.routing import Call
from scanning.oci.names import Repository
from storage import audit
from storage.audit import AuditRecord, Event

_MOST = 1000
_EVERYTHING = RepositoryPattern("**")


async def listing(call: Call) -> web.StreamResponse:
    """The newest records: at most `n`, with numbers below `last`; of one `repository`, `event` or `actor` if asked.

    An admin of some repositories asks for one of them; what is about none (tokens, policies) is for admins of all.
    """
    query = call.request.rel_url.query
    check_parameters(query, "repository", "event", "actor", "n", "last")
    repository = Repository(query["repository"]) if query.get("repository") else None
    await administrator(call, (RepositoryPattern(repository.name) if repository else _EVERYTHING,))
    limit, event, before = wanted(call, _MOST), _event(query.get("event", "")), _number(query)
    async with call.services.database.snapshot() as tx:
        found = await audit.newest(
            tx,
            event=event,
            repository=repository,
            actor=query.get("actor", ""),
            before=before,
            limit=limit + 1,
        )
    page = cut(call, found, lambda item: str(item[0]), _MOST)
    return web.json_response({"records": [_as_json(*item) for item in page.items]}, headers=page.headers)


def _event(text: str) -> Event | None:
    if text and text not in tuple(Event):
        raise BadRequestError(f"there is no event {text[:40]!r}; there are {', '.join(Event)}")
    return Event(text) if text else None


def _number(query: MultiMapping[str]) -> int | None:
    text = query.get("last", "")
    if text and not (text.isascii() and text.isdecimal() and len(text) <= 18):
        raise BadRequestError(f"last is {text[:20]!r}; write the number of a record")
    return int(text) if text else None


def _as_json(number: int, record: AuditRecord) -> dict[str, Any]:
    return {"number": number, **asdict(record), "at": record.at.isoformat()}
