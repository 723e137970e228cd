"""How every page of the console is answered, and every form that changes something.

GET   page: what a handler found, rendered; what was done just now is said once
POST  same origin -> token of the form -> the handler -> 303 to the page that says so
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import hdrs, web

from config.errors import ImagegateError
from config.patterns import EVERY_REPOSITORY
from proxy.console.origin import check_same_origin
from proxy.console.rendering import render
from proxy.console.sessions import Notice
from proxy.errors import DeniedError, to_wire
from proxy.forms import read_form
from proxy.identity.principal import Principal, Role
from proxy.routing import Call, Handler

_FOR_ADMINS = {"tokens", "policy", "signers", "exceptions", "approvals", "audit"}
_OF_EVERYTHING = {"policy", "signers"}
_SECTIONS = (
    ("overview", "/console/", "Overview"),
    ("images", "/console/images", "Images"),
    ("verdicts", "/console/verdicts", "Verdicts"),
    ("tokens", "/console/tokens", "Tokens"),
    ("policy", "/console/policy", "Policy"),
    ("signers", "/console/signers", "Signers"),
    ("exceptions", "/console/exceptions", "Exceptions"),
    ("approvals", "/console/approvals", "Approvals"),
    ("audit", "/console/audit", "Audit"),
)
"""Of each part of the console its name, its first page, and what people call it."""
FORM_TOKEN = "form"  # noqa: S105 - the name of a field
_HTML = "text/html"
_MOST_BYTES = 4 << 20
FormHandler = Callable[[Call, Mapping[str, str]], Awaitable[web.StreamResponse]]


async def page(call: Call, template: str, *, section: str, status: int = 200, **values: Any) -> web.Response:
    """The page that `template` makes of `values`. `section` is where in the console it is."""
    desk, session, principal = call.services.console, call.session, call.caller.principal
    notice = desk.take_notice(call.request, session)
    frame = {
        "section": section,
        "sections": _sections_for(principal),
        "principal": principal,
        "is_admin": principal.role is Role.ADMIN,
        "form_token": session.form_token,
        "notice": notice,
        "problem": "",
    }
    answer = await plain_page(template, {**frame, **values}, status=status)
    desk.keep_if_due(answer, session)
    if notice is not None:
        desk.drop_notice(answer)
    return answer


def _sections_for(principal: Principal) -> list[tuple[str, str, str]]:
    is_admin = principal.role is Role.ADMIN
    closed = set() if is_admin else _FOR_ADMINS
    if not principal.covers_all_of(EVERY_REPOSITORY):
        closed = closed | _OF_EVERYTHING
    return [section for section in _SECTIONS if section[0] not in closed]


async def plain_page(template: str, values: Mapping[str, object], *, status: int = 200) -> web.Response:
    """A page for whoever asks."""
    return web.Response(text=await render(template, values), content_type=_HTML, status=status)


def done(call: Call, path: str, text: str, *, secret: str = "", query: str = "") -> web.Response:
    """Lead to the page at `path`, which says what was done, and shows a `secret`, this once."""
    answer = see_other(f"{path}?{query}" if query else path)
    call.services.console.tell(answer, call.session, Notice(path, text, secret))
    return answer


def see_other(path: str) -> web.Response:
    """Lead to a page of the console (303: by GET, whatever was sent)."""
    return web.Response(status=303, headers={hdrs.LOCATION: path})


def status_of(error: ImagegateError) -> int:
    """The status of a page that says `error` above the form that it is about."""
    return to_wire(error).status


def changing(handler: FormHandler) -> Handler:
    """A handler for a form that only a page of this very session can have sent (threat 96); others are on record."""

    async def change(call: Call) -> web.StreamResponse:
        try:
            form = await _own_form(call)
        except DeniedError as error:
            await call.services.record_denied(call.caller, f"{call.request.method} {call.request.path}: {error}")
            raise
        return await handler(call, form)

    return change


async def _own_form(call: Call) -> dict[str, str]:
    services = call.services
    check_same_origin(call.request, services.settings.public_origin)
    form = dict(await read_form(call.request, services.settings.network.read_timeout_seconds, _MOST_BYTES))
    if not services.console.is_of_form(call.session, form.pop(FORM_TOKEN, "")):
        raise DeniedError("the form is of another session, so nothing was done; open the page again and send it")
    return form
