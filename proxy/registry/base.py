"""`GET /v2/`: whether this is a registry, and whether the credential is good."""

from aiohttp import web

from proxy.routing import Call


async def check(_call: Call) -> web.StreamResponse:
    """Say yes (end-1)."""
    return web.json_response({})
