"""What pages are made to look with, and where a browser finds the console."""

from aiohttp import hdrs, web

from proxy.console.rendering import ICON, STYLE, read_static
from proxy.errors import NotFoundError
from proxy.routing import Call

_FOR_A_YEAR = "public, max-age=31536000, immutable"


async def style(_call: Call) -> web.StreamResponse:
    """The style sheet. Pages ask for it by its hash, so a browser may keep it."""
    return _file(STYLE, "text/css")


async def icon(_call: Call) -> web.StreamResponse:
    """What stands beside the title in a tab."""
    return _file(ICON, "image/svg+xml")


async def overview(_call: Call) -> web.StreamResponse:
    """Lead from the console's address without its slash to the one with it."""
    return web.Response(status=308, headers={hdrs.LOCATION: "/console/"})


async def home(call: Call) -> web.StreamResponse:
    """Lead browsers from the gate's bare address to the console."""
    if "text/html" not in call.request.headers.get(hdrs.ACCEPT, ""):
        raise NotFoundError(
            "there is nothing at this address; the registry API starts at /v2/, the gate's own at /api/v1/, the console"
            " is at /console/"
        )
    return web.Response(status=303, headers={hdrs.LOCATION: "/console/"})


def _file(name: str, kind: str) -> web.Response:
    return web.Response(body=read_static(name), content_type=kind, headers={hdrs.CACHE_CONTROL: _FOR_A_YEAR})
