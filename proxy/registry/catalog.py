"""The list of repositories (Docker registry API, "Listing Repositories")."""

from aiohttp import hdrs, web

from proxy.registry.paging import page
from proxy.routing import Call


async def list_repositories(call: Call) -> web.StreamResponse:
    """The repositories this caller may pull from (threat 22), paged."""
    repositories = await call.services.gate.repositories(call.caller)
    most = call.services.settings.registry.catalog_page
    found = page([item.name for item in repositories], call.request.rel_url.query, "/v2/_catalog", most)
    headers = {hdrs.LINK: found.link} if found.link else {}
    return web.json_response({"repositories": list(found.names)}, headers=headers)
