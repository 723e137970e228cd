"""/api/v1/policy: what is in force, what another policy would change, and putting that in force; for admins.

It says of every repository what is allowed there, and why, so it is read whole by admins of all of them only.
"""

import asyncio
from typing import Any

from aiohttp import hdrs, web

from config.errors import ConfigurationError, Problem
from config.patterns import EVERY_REPOSITORY
from config.yaml_source import MAX_CHARACTERS
from proxy.admin.administering import administrator, read_body
from proxy.admin.entity_tags import expected, tag_of
from proxy.admin.pages import page_of
from proxy.admin.parameters import check_parameters
from proxy.admin.policy_proposals import images_of, read_proposed, tried
from proxy.errors import BadRequestError
from proxy.gate.policy import in_force
from proxy.gate.policy_trial import change_as_document
from proxy.gate.policy_writing import left_elsewhere, read_sent, replace_policy
from proxy.routing import Call
from scanning.oci.digest import Digest

_MOST_BYTES = 4 * MAX_CHARACTERS


async def show(call: Call) -> web.StreamResponse:
    """The text of the policy file, of which the ETag is the digest, and the policy in force: `digest` is what verdicts
    name. Where `problem` says that the file is broken, what is in force was read before.
    """
    check_parameters(call.request.rel_url.query)
    await administrator(call, (EVERY_REPOSITORY,))
    desk = call.services.policy
    there, written = await desk.on_disk(), desk.written
    document = {
        "digest": str(desk.current.digest),
        "name": written.policy.name,
        "file": str(desk.path),
        "read_at": written.read_at.isoformat(),
        "text": there.text,
        "problem": there.problem or None,
    }
    return web.json_response(document, headers={hdrs.ETAG: tag_of(there.digest), hdrs.CACHE_CONTROL: "no-store"})


async def check(call: Call) -> web.StreamResponse:
    """Every mistake in a policy, or which of the caller's images it would treat in another way: of `n`, after `last`.

    Nothing is recorded.
    """
    check_parameters(call.request.rel_url.query, "n", "last")
    await administrator(call)
    text = await _text(call)
    try:
        new = await read_proposed(call, text)
    except ConfigurationError as error:
        return web.json_response({"valid": False, "mistakes": list(map(_mistake, error.problems))})
    page = page_of(call, await images_of(call), lambda image: image.name)
    trial = await tried(call, new, page.items)
    named = await asyncio.to_thread(in_force, new)
    document = {
        "valid": True,
        "mistakes": [],
        "digest": str(named.digest),
        "judged": trial.judged,
        "changes": list(map(change_as_document, trial.changes)),
        "left_out": list(trial.left_out),
    }
    return web.json_response(document, headers=page.headers)


async def replace(call: Call) -> web.StreamResponse:
    """Put a policy in force, over the one that `If-Match` names by its ETag. In force within a second."""
    check_parameters(call.request.rel_url.query)
    by = await administrator(call, (EVERY_REPOSITORY,))
    base = _expected(call)
    text = await _text(call)
    services = call.services
    written = await read_sent(services.policy, text)
    await replace_policy(services.database, services.policy.path, written, base, by, services.clock())
    new = await asyncio.to_thread(in_force, written.policy.with_waivers(services.policy.exceptions))
    headers = {hdrs.ETAG: tag_of(written.digest)}
    warnings = left_elsewhere(services.policy.path, services.settings)
    document = {"digest": str(new.digest), "warnings": list(warnings)}
    return web.json_response(document, headers=headers)


async def _text(call: Call) -> str:
    try:
        return (await read_body(call, "a policy", _MOST_BYTES)).decode()
    except UnicodeDecodeError as error:
        raise BadRequestError(f"the policy is not UTF-8 at byte {error.start}; send it as UTF-8") from error


def _expected(call: Call) -> Digest:
    digest = expected(call)
    if digest is None:
        raise BadRequestError(
            "send the ETag of the policy that you have changed as If-Match; GET /api/v1/policy has it"
        )
    return digest


def _mistake(problem: Problem) -> dict[str, Any]:
    return {"line": problem.line, "column": problem.column, "message": problem.message}
