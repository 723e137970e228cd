"""Tags of a repository (end-8)."""

from aiohttp import hdrs, web

from proxy.registry.paging import is_continued, page
from proxy.routing import Call


async def list_tags(call: Call) -> web.StreamResponse:
    """The tags this caller may see, paged."""
    query = call.request.rel_url.query
    tags = await call.services.gate.tags(call.caller, call.repository, is_continued=is_continued(query))
    most = call.services.settings.registry.catalog_page
    found = page([tag.name for tag in tags], query, f"/v2/{call.repository}/tags/list", most)
    headers = {hdrs.LINK: found.link} if found.link else {}
    return web.json_response({"name": call.repository.name, "tags": list(found.names)}, headers=headers)
