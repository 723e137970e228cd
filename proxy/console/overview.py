"""/console/: what an operator or a developer should look at first."""

from aiohttp import web

from proxy.admin.image_access import may_see_pulls
from proxy.admin.parameters import check_parameters
from proxy.console.images import who_is_behind
from proxy.console.pages import page
from proxy.console.rows import verdict_row
from proxy.gate import decided
from proxy.routing import Call
from scanning.verdict import Outcome

_SHOWN = 8
_MOVED = 50
"""Of how many tags is looked up who is behind, each time."""


async def show(call: Call) -> web.StreamResponse:
    """What waits, what was refused, and whether the gate itself is well."""
    check_parameters(call.request.rel_url.query)
    services, principal = call.services, call.caller.principal
    waiting, waiting_count = await decided.waiting(services.database, principal, _SHOWN)
    refused = await decided.newest(services.database, principal, outcome=Outcome.REJECT, limit=_SHOWN)
    report = await services.readiness.report()
    late = await who_is_behind(call, _MOVED) if may_see_pulls(principal) else ()
    return await page(
        call,
        "overview.html",
        section="overview",
        waiting=[(one.held, verdict_row(one.verdict) if one.verdict else None) for one in waiting],
        waiting_count=waiting_count,
        refused=[verdict_row(one) for one in refused.verdicts],
        more_refused=bool(refused.older),
        behind=late[:_SHOWN],
        moved=_MOVED,
        report=report,
        silent=[name for name, answers in report.parts.items() if not answers],
    )
