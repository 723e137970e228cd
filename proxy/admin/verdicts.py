"""/api/v1/verdicts: why something was refused, held or admitted, for whoever may pull or push the repository."""

import asyncio

from aiohttp import hdrs, web

from proxy.admin.pages import cut, wanted
from proxy.admin.parameters import check_parameters, one_of
from proxy.errors import BadRequestError, NotFoundError, UnauthorizedError
from proxy.gate.report import record_of, report
from proxy.gate.verdict_document import as_document
from proxy.identity.challenge import repository_scope
from proxy.identity.principal import Action, Caller
from proxy.routing import Call
from scanning.oci.names import Repository
from scanning.verdict import Outcome
from storage import verdicts

_READERS = (Action.PULL, Action.PUSH)


async def show(call: Call) -> web.StreamResponse:
    """One verdict: JSON, or plain text for who prefers it."""
    check_parameters(call.request.rel_url.query)
    async with call.services.database.snapshot() as tx:
        verdict = await verdicts.get(tx, call.parameters["id"])
    if verdict is None or not _may_read(call.caller, Repository(verdict.repository)):
        raise NotFoundError("there is no such verdict, or its repository is not yours to see")
    if _prefers_text(call.request.headers.get(hdrs.ACCEPT, "")):
        explained = await call.services.replay.explained(verdict)
        return web.Response(text=await asyncio.to_thread(report, explained, record_of(explained[0])))
    return web.json_response(as_document(verdict))


async def newest(call: Call) -> web.StreamResponse:
    """The newest verdicts of one repository, with `outcome` if it is given: at most `n`, older than `last`.

    The Link header leads to older ones, as in lists of tags.
    """
    query = call.request.rel_url.query
    check_parameters(query, "repository", "outcome", "n", "last")
    if "repository" not in query:
        raise BadRequestError("name the repository: /api/v1/verdicts?repository=team/app")
    repository = Repository(query["repository"])
    limit = wanted(call)
    if not _may_read(call.caller, repository):
        raise NotFoundError(f"there is no repository {repository}, or it is not yours to see")
    outcome, last = one_of(query.get("outcome", ""), Outcome, "outcome"), query.get("last", "")
    async with call.services.database.snapshot() as tx:
        found = await verdicts.list_newest(
            tx, repository=repository, outcome=outcome, limit=limit + 1, before=last or None
        )
    page = cut(call, found, lambda verdict: verdict.id)
    return web.json_response({"verdicts": [as_document(verdict) for verdict in page.items]}, headers=page.headers)


def _may_read(caller: Caller, repository: Repository) -> bool:
    """Raises `UnauthorizedError` where a bearer token with more scope would do."""
    principal = caller.principal
    if principal.reads(repository):
        return True
    if any(principal.granted(action, repository) for action in _READERS):
        raise UnauthorizedError(
            f"the bearer token was not issued for {repository}; ask for one that is",
            scope=repository_scope(repository, Action.PULL),
            error="insufficient_scope",
        )
    return False


def _prefers_text(accept: str) -> bool:
    kinds = [part.partition(";")[0].strip() for part in accept.split(",")]
    return next((kind for kind in kinds if kind in ("text/plain", "application/json")), "") == "text/plain"
