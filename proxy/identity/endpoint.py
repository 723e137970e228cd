"""`/auth/token`: an opaque token for a short-lived one (Docker token authentication, GET; OAuth2 form, POST).

What is granted is what is asked and what the grant allows, whichever is less; asking for too much is no error.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from aiohttp import hdrs, web

from proxy.answers import error_answer
from proxy.errors import BadRequestError, UnauthorizedError, to_wire
from proxy.forms import read_form
from proxy.identity.credentials import BasicCredential, read_authorization
from proxy.identity.scopes import MAX_SCOPES, grant_access
from proxy.routing import Call


@dataclass(frozen=True, slots=True)
class _Asked:
    credential: BasicCredential
    scopes: tuple[str, ...]
    service: str


async def by_query(call: Call) -> web.StreamResponse:
    """GET: the credential is Basic, scopes and service are in the query."""
    query = call.request.rel_url.query
    scopes = tuple(scope for text in query.getall("scope", ()) for scope in text.split())
    try:
        return await _issue(call, _Asked(_basic_credential(call.request), scopes, query.get("service", "")))
    except UnauthorizedError as error:
        return error_answer(to_wire(error), {hdrs.WWW_AUTHENTICATE: call.services.challenger.basic()})


async def by_form(call: Call) -> web.StreamResponse:
    """POST: all of it in a form, grant type `password` (RFC 6749 section 4.3)."""
    form = await read_form(call.request, call.services.settings.network.read_timeout_seconds)
    grant_type = form.get("grant_type", "")
    if grant_type != "password":
        return _oauth_error(
            400,
            "unsupported_grant_type" if grant_type else "invalid_request",
            "only grant_type=password is supported, with a token as password; refresh tokens are not issued",
        )
    credential = BasicCredential(form.get("username", ""), form.get("password", ""))
    try:
        return await _issue(call, _Asked(credential, tuple(form.get("scope", "").split()), form.get("service", "")))
    except UnauthorizedError as error:
        return _oauth_error(401, "invalid_grant", str(error), {hdrs.WWW_AUTHENTICATE: call.services.challenger.basic()})


async def _issue(call: Call, asked: _Asked) -> web.StreamResponse:
    if asked.service not in ("", call.services.challenger.service):
        raise BadRequestError(
            f"tokens are issued here for the service {call.services.challenger.service!r}, not for"
            f" {asked.service[:60]!r}; ask as the challenge of this gate says"
        )
    if len(asked.scopes) > MAX_SCOPES:
        raise BadRequestError(f"the request asks for more than {MAX_SCOPES} scopes; ask for fewer at a time")
    principal = await call.services.authenticator.authenticate(asked.credential, call.client)
    issued = call.services.bearer.issue(principal.grant, grant_access(asked.scopes, principal))
    return web.json_response(
        {
            "token": issued.text,
            "access_token": issued.text,
            "token_type": "Bearer",
            "expires_in": issued.lifetime,
            "issued_at": _rfc3339(issued.issued_at),
        },
        headers={hdrs.CACHE_CONTROL: "no-store"},
    )


def _basic_credential(request: web.Request) -> BasicCredential:
    credential = read_authorization(request.headers.getall(hdrs.AUTHORIZATION, ()))
    if not isinstance(credential, BasicCredential):
        raise UnauthorizedError("log in with a token as password to get a bearer token")
    return credential


def _oauth_error(status: int, error: str, sentence: str, headers: Mapping[str, str] | None = None) -> web.Response:
    """The error of RFC 6749 section 5.2, and beside it the one registry clients print."""
    body = {
        "error": error,
        "error_description": sentence,
        "errors": [{"code": "UNAUTHORIZED" if status == 401 else "UNSUPPORTED", "message": sentence}],
    }
    return web.json_response(body, status=status, headers={hdrs.CACHE_CONTROL: "no-store", **(headers or {})})


def _rfc3339(when: datetime) -> str:
    return when.isoformat(timespec="seconds").replace("+00:00", "Z")
