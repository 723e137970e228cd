"""Error answers, and what every answer carries."""

from collections.abc import Mapping

from aiohttp import hdrs, web

from proxy.errors import WireError

_ALWAYS = {
    hdrs.SERVER: "imagegate",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}
_CONSOLE = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self';"
    " frame-ancestors 'none'; base-uri 'none'",
    "Referrer-Policy": "same-origin",  # with no-referrer, browsers say of a form that it comes from "null"
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""What a browser may do with a page of the console: nothing but show it and send its forms back."""
_API = {"Docker-Distribution-API-Version": "registry/2.0"}
_HSTS = {"Strict-Transport-Security": "max-age=31536000"}


def error_answer(error: WireError, headers: Mapping[str, str] | None = None) -> web.Response:
    """The answer for an error that has been mapped to the wire."""
    return web.json_response(error.body, status=error.status, headers={**error.headers, **(headers or {})})


def is_of_console(path: str) -> bool:
    """Whether browsers ask for this path."""
    return path == "/console" or path.startswith("/console/")


def standing_headers(path: str, *, secure: bool, request_id: str) -> dict[str, str]:
    """What every answer carries. `secure` is whether clients reach the gate by https."""
    return {
        **_ALWAYS,
        **(_CONSOLE if is_of_console(path) else {}),
        **(_API if path.startswith("/v2/") else {}),
        **(_HSTS if secure else {}),
        "X-Request-ID": request_id,
    }
