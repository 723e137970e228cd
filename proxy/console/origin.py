"""Whether a form comes from a page of this gate (threat 96)."""

from aiohttp import hdrs, web

from proxy.errors import DeniedError

_SITE = "Sec-Fetch-Site"
_SAME = "same-origin"


def check_same_origin(request: web.Request, public_origin: str) -> None:
    """Return if the browser says that a page of this gate sent the form. Raises `DeniedError`.

    Every browser sends Origin with a form, and Sec-Fetch-Site besides where it reached the gate by https. A page is of
    this gate if its host is the one it was asked under, or the public one, whatever a proxy between them made of it.
    """
    site, origin = request.headers.get(_SITE), request.headers.get(hdrs.ORIGIN)
    hosts = {request.headers.get(hdrs.HOST, ""), public_origin.partition("://")[2]}
    said = [site == _SAME] if site is not None else []
    said += [origin.partition("://")[2] in hosts] if origin is not None else []
    if not said or not all(said):
        raise DeniedError(
            "the form was not sent by a page of this gate, so nothing was done; open the console at"
            f" {public_origin}/console/ and do it there"
        )
