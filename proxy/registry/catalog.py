"""The list of repositories (Docker registry API, "Listing Repositories")."""

from aiohttp import hdrs, web

from proxy.registry.paging import is_continued, page
from proxy.routing import Call


async def list_repositories(call: Call) -> web.StreamResponse:
    """The repositories this caller may pull from (threat 22), paged."""
    query = call.request.rel_url.query
    repositories = await call.services.gate.repositories(call.caller, is_continued=is_continued(query))
    most = call.services.settings.registry.catalog_page
    found = page([item.name for item in repositories], query, "/v2/_catalog", most)
    headers = {hdrs.LINK: found.link} if found.link else {}
    return web.json_response({"repositories": list(found.names)}, headers=headers)
