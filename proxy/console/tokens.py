"""/console/tokens: who may use the gate; for admins, each for tokens of the repositories that their own covers."""

from collections.abc import Mapping

from aiohttp import web

from config.errors import ImagegateError
from proxy.admin.administering import administrator
from proxy.admin.parameters import check_parameters
from proxy.admin.tokens import known
from proxy.console.fields import read_end, read_patterns
from proxy.console.pages import done, page, status_of
from proxy.errors import BadRequestError
from proxy.identity import tokens
from proxy.identity.principal import Role
from proxy.identity.tokens import NewGrant
from proxy.routing import Call
from storage.grants import Grant, GrantState

_LIST = "/console/tokens"
_ROLES = (
    (Role.OPERATOR, "pulls what is admitted"),
    (Role.DEVELOPER, "pushes and pulls, also what is in quarantine"),
    (Role.CREATOR, "the same, but moves no tag"),
    (Role.ADMIN, "all of that, and manages tokens, approvals and the policy"),
)
_EMPTY = {"name": "", "role": str(Role.OPERATOR), "repositories": "", "expires": "90d"}


async def listing(call: Call) -> web.StreamResponse:
    """Every token, the newest first, and a form for another."""
    check_parameters(call.request.rel_url.query, "all")
    return await _listing(call, _EMPTY)


async def create(call: Call, form: Mapping[str, str]) -> web.StreamResponse:
    """Make a token, and show it once."""
    try:
        grant, token = await _made(call, form)
    except ImagegateError as error:
        return await _listing(call, {**_EMPTY, **form}, str(error), status=status_of(error))
    said = f"This is the token {grant.name}. Copy it now: it is shown this once and kept nowhere."
    return done(call, f"{_LIST}/{grant.id}", said, secret=token)


async def show(call: Call) -> web.StreamResponse:
    """One token, and a button that ends it."""
    check_parameters(call.request.rel_url.query)
    await administrator(call)
    grant = await known(call)
    return await _shown(call, grant)


async def revoke(call: Call, _form: Mapping[str, str]) -> web.StreamResponse:
    """End a token. Not the last admin's: nobody could make another here."""
    services = call.services
    by = await administrator(call)
    grant = await known(call)
    try:
        ended = await tokens.revoke(services.database, grant.id, by, services.clock(), leaves_an_admin=True)
    except ImagegateError as error:
        return await _shown(call, grant, str(error), status=status_of(error))
    said = "is refused everywhere within 5 seconds" if ended else "was revoked before"
    return done(call, _LIST, f"The token {grant.name} {said}.")


async def _listing(call: Call, form: Mapping[str, str], problem: str = "", *, status: int = 200) -> web.Response:
    await administrator(call)
    now = call.services.clock()
    found = await tokens.seen_by(call.services.database, call.caller.principal)
    shows_all = call.request.rel_url.query.get("all") == "true"
    live = [grant for grant in found if grant.state(now) is GrantState.LIVE]
    return await page(
        call,
        "tokens.html",
        section="tokens",
        status=status,
        problem=problem,
        rows=[(grant, grant.state(now)) for grant in (found if shows_all else live)],
        ended=len(found) - len(live),
        shows_all=shows_all,
        form=form,
        roles=_ROLES,
    )


async def _shown(call: Call, grant: Grant, problem: str = "", *, status: int = 200) -> web.Response:
    state = grant.state(call.services.clock())
    return await page(
        call,
        "token.html",
        section="tokens",
        status=status,
        problem=problem,
        grant=grant,
        state=state,
        is_live=state is GrantState.LIVE,
        is_own=grant.id == call.caller.principal.grant,
    )


async def _made(call: Call, form: Mapping[str, str]) -> tuple[Grant, str]:
    patterns = read_patterns(form.get("repositories", ""))
    role = form.get("role", "")
    if role not in tuple(Role):
        raise BadRequestError(f"there is no role {role[:40]!r}; there are {', '.join(Role)}")
    by = await administrator(call, patterns)
    now = call.services.clock()
    expires = form.get("expires", "").strip()
    end = read_end(expires, now) if expires else None
    new = NewGrant(form.get("name", "").strip(), Role(role), patterns, end)
    grant, token = await tokens.create(call.services.database, new, by, now, call.caller.principal)
    return grant, token.text
