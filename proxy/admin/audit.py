"""/api/v1/audit: who did what, and what the gate answered; for admins of what it was done to."""

from aiohttp import web

from proxy.admin.audit_question import answer, read_question
from proxy.admin.pages import cut, wanted
from proxy.admin.parameters import check_parameters
from proxy.routing import Call
from storage.audit import as_document

_MOST = 1000


async def listing(call: Call) -> web.StreamResponse:
    """The newest records: at most `n`, with numbers below `last`; of one `repository`, `event` or `actor` if asked.

    An admin of some repositories asks for one of them; what is about none (tokens, policies) is for admins of all.
    """
    query = call.request.rel_url.query
    check_parameters(query, "repository", "event", "actor", "n", "last")
    found = await answer(call, read_question(query), wanted(call, _MOST) + 1)
    page = cut(call, found, lambda item: str(item[0]), _MOST)
    return web.json_response({"records": [as_document(*item) for item in page.items]}, headers=page.headers)
