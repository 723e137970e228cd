"""/api/v1/verdicts: why something was refused, held or admitted, for whoever may pull or push the repository."""

import asyncio
from typing import Any

from aiohttp import hdrs, web

from proxy.errors import BadRequestError, NotFoundError, UnauthorizedError
from proxy.gate.report import record_of, report
from proxy.identity.challenge import repository_scope
from proxy.identity.principal import Action, Caller
from proxy.registry.paging import page_size
from proxy.routing import Call
from scanning.oci.names import Repository
from scanning.verdict import Verdict, Violation
from storage import verdicts

_MOST = 100
_READERS = (Action.PULL, Action.PUSH)


async def show(call: Call) -> web.StreamResponse:
    """One verdict: JSON, or plain text for who prefers it."""
    async with call.services.database.snapshot() as tx:
        verdict = await verdicts.get(tx, call.parameters["id"])
    if verdict is None or not _may_read(call.caller, Repository(verdict.repository)):
        raise NotFoundError("there is no such verdict, or its repository is not yours to see")
    if _prefers_text(call.request.headers.get(hdrs.ACCEPT, "")):
        explained = await call.services.explain(verdict)
        return web.Response(text=await asyncio.to_thread(report, explained, record_of(explained[0])))
    return web.json_response(_as_json(verdict))


async def newest(call: Call) -> web.StreamResponse:
    """The newest verdicts of one repository, at most `n`."""
    query = call.request.rel_url.query
    if "repository" not in query:
        raise BadRequestError("name the repository: /api/v1/verdicts?repository=team/app")
    repository = Repository(query["repository"])
    limit = page_size(query, _MOST)
    if not _may_read(call.caller, repository):
        raise NotFoundError("there is no such repository, or it is not yours to see")
    async with call.services.database.snapshot() as tx:
        found = await verdicts.list_newest(tx, repository=repository, outcome=None, limit=limit)
    return web.json_response({"verdicts": [_as_json(verdict) for verdict in found]})


def _may_read(caller: Caller, repository: Repository) -> bool:
    """Raises `UnauthorizedError` where a bearer token with more scope would do."""
    principal = caller.principal
    if any(principal.may(action, repository) for action in _READERS):
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


def _as_json(verdict: Verdict) -> dict[str, Any]:
    inputs = verdict.inputs
    return {
        "id": verdict.id,
        "repository": verdict.repository,
        "digest": str(verdict.digest),
        "kind": verdict.kind,
        "tag": verdict.tag or None,
        "outcome": verdict.outcome,
        "enforced": verdict.enforced,
        "mode": verdict.mode,
        "judged_at": verdict.judged_at.isoformat(),
        "valid_until": verdict.valid_until.isoformat() if verdict.valid_until else None,
        "violations": [_violation(item) for item in verdict.violations],
        "warnings": [_violation(item) for item in verdict.warnings],
        "waived": list(verdict.waived),
        "counts": dict(verdict.counts),
        "base": verdict.base or None,
        "inputs": {
            "manifest": str(inputs.manifest),
            "media_type": inputs.media_type,
            "policy": str(inputs.policy),
            "signatures": str(inputs.signatures),
            "facts": str(inputs.facts) if inputs.facts else None,
            "snapshot": str(inputs.snapshot) if inputs.snapshot else None,
            "children": list(inputs.children),
            "approvals": str(inputs.approvals) if inputs.approvals else None,
            "former": str(inputs.former) if inputs.former else None,
            "sightings": str(inputs.sightings) if inputs.sightings else None,
            "malware": str(inputs.malware) if inputs.malware else None,
        },
    }


def _violation(item: Violation) -> dict[str, Any]:
    return {
        "rule": item.rule,
        "effect": item.effect,
        "subject": item.subject,
        "where": item.where,
        "why": item.why,
        "fix": item.remedy,
        "inherited": item.inherited if item.base else None,
        "check": item.check or None,
        "layer": str(item.layer) if item.layer else None,
        "created_by": item.created_by or None,
    }
