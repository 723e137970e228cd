"""Signing in with an access token, and out again."""

import re
from collections.abc import Mapping

from aiohttp import hdrs, web

from proxy.admin.parameters import check_parameters
from proxy.console.errors import SIGN_IN
from proxy.console.origin import check_same_origin
from proxy.console.pages import plain_page, see_other
from proxy.errors import TooManyRequestsError, UnauthorizedError
from proxy.forms import read_form
from proxy.identity.credentials import BasicCredential
from proxy.routing import Call
from storage.audit import AuditRecord, Event

_HOME = "/console/"
_ACCOUNT = "console"
"""What failures are counted under, and audited as: whoever signs in says no name."""
_A_PAGE = re.compile(r"/console/[a-z0-9/-]*(\?[A-Za-z0-9._~:@/%&=+,*-]*)?")


async def sign_in_page(call: Call) -> web.StreamResponse:
    """The form. `?next=` is the page to go on to."""
    check_parameters(call.request.rel_url.query, "next")
    return await _form(next_page(call.request.rel_url.query.get("next", "")))


async def sign_in(call: Call) -> web.StreamResponse:
    """Take a token, as every other face does, and begin a session."""
    services = call.services
    check_same_origin(call.request, services.settings.public_origin)
    form = await read_form(call.request, services.settings.network.read_timeout_seconds)
    going_to = next_page(form.get("next", ""))
    credential = BasicCredential(_ACCOUNT, form.get("token", "").strip())
    try:
        principal = await services.authenticator.authenticate(credential, call.client)
    except UnauthorizedError as error:
        return await _form(going_to, str(error), status=401)
    except TooManyRequestsError as error:
        answer = await _form(going_to, str(error), status=429)
        answer.headers[hdrs.RETRY_AFTER] = str(error.retry_after)
        return answer
    await services.record(
        AuditRecord(
            at=services.clock(),
            event=Event.SIGNED_IN,
            actor=principal.name,
            address=call.client.address,
            outcome="done",
            request_id=call.client.request_id,
            detail=f"token {principal.grant} ({principal.role})",
        )
    )
    answer = see_other(going_to)
    services.console.keep(answer, services.console.begin(principal.grant))
    return answer


async def sign_out(call: Call, _form: Mapping[str, str]) -> web.StreamResponse:
    """End the session, for every copy of its cookie."""
    await call.services.console.end(call.session)
    answer = see_other(SIGN_IN)
    call.services.console.drop(answer)
    call.services.console.drop_notice(answer)
    return answer


def next_page(asked: str) -> str:
    """`asked`, if it is the plain address of a page of this console, else its first page (threat 97)."""
    return asked if _A_PAGE.fullmatch(asked) and "//" not in asked.partition("?")[0] else _HOME


async def _form(going_to: str, problem: str = "", *, status: int = 200) -> web.Response:
    return await plain_page("sign_in.html", {"going_to": going_to, "problem": problem}, status=status)
