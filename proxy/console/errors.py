"""Errors as pages: the same sentences as everywhere, and a way on."""

from urllib.parse import urlencode

from aiohttp import hdrs, web

from proxy.console.pages import plain_page, see_other
from proxy.errors import UnauthorizedError, WireError
from proxy.routing import Access, Route

_HEADINGS = {
    400: "That cannot be understood",
    403: "That is not allowed",
    404: "There is nothing here",
    405: "That cannot be done here",
    409: "That goes against what is there now",
    429: "Too often",
}
SIGN_IN = "/console/sign-in"


async def error_page(request: web.Request, route: Route | None, error: Exception, wire: WireError) -> web.Response:
    """The answer to a request for the console that failed; who is not signed in may do that, and then goes on."""
    if isinstance(error, UnauthorizedError) and route is not None and route.access is Access.CONSOLE:
        goes_on = request.method in (hdrs.METH_GET, hdrs.METH_HEAD) and request.path != "/console/"
        return see_other(f"{SIGN_IN}?{urlencode({'next': request.raw_path})}" if goes_on else SIGN_IN)
    heading = _HEADINGS.get(wire.status, "That did not work")
    answer = await plain_page("error.html", {"heading": heading, "sentence": wire.message}, status=wire.status)
    answer.headers.update(wire.headers)
    return answer
