"""/console/policy: what is in force, what another would change, and putting that in force; for admins of all
repositories.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import web

from config.errors import ConfigurationError, ImagegateError
from config.patterns import EVERY_REPOSITORY
from proxy.admin.administering import administrator
from proxy.admin.parameters import check_parameters
from proxy.admin.policy_proposals import images_of, read_proposed, tried
from proxy.console.pages import done, page, status_of
from proxy.errors import BadRequestError
from proxy.gate.policy_trial import Trial
from proxy.gate.policy_writing import left_elsewhere, read_sent, replace_policy
from proxy.routing import Call
from scanning.errors import InvalidDigestError
from scanning.oci.digest import Digest

_PAGE = "/console/policy"
_MOST_TRIED = 200


@dataclass(frozen=True, slots=True)
class _Tried:
    """What a policy would change, of so many images."""

    trial: Trial
    images: int


async def show(call: Call) -> web.StreamResponse:
    """The policy in force, line by line, as its file says it."""
    check_parameters(call.request.rel_url.query)
    await administrator(call, (EVERY_REPOSITORY,))
    desk = call.services.policy
    return await page(
        call,
        "policy.html",
        section="policy",
        written=desk.written,
        lines=desk.written.text.splitlines(),
        digest=str(desk.current.digest),
        file=desk.path,
        broken=desk.problem,
        exceptions=len(desk.exceptions),
    )


async def edit(call: Call) -> web.StreamResponse:
    """The text of the policy file in a field, to be changed; one that is broken with its mistakes, to be mended."""
    check_parameters(call.request.rel_url.query)
    await administrator(call, (EVERY_REPOSITORY,))
    there = await call.services.policy.on_disk()
    said = f"The file is broken, and what was read before it stays in force until it is mended:\n{there.problem}"
    return await _editor(call, there.text, str(there.digest), problem=said if there.problem else "")


async def change(call: Call, form: Mapping[str, str]) -> web.StreamResponse:
    """Say what a changed policy would change, or put it in force."""
    text = form.get("text", "").replace("\r\n", "\n")  # as browsers write the ends of lines
    base = form.get("base", "")
    try:
        if form.get("do") == "save":
            return await _saved(call, text, base)
        await administrator(call, (EVERY_REPOSITORY,))
        shown = await _tried(call, text)
    except ImagegateError as error:
        return await _editor(call, text, base, problem=str(error), status=status_of(error))
    return await _editor(call, text, base, shown=shown)


async def _saved(call: Call, text: str, base: str) -> web.StreamResponse:
    by = await administrator(call, (EVERY_REPOSITORY,))
    services = call.services
    try:
        expected = Digest.parse(base)
    except InvalidDigestError as error:
        raise BadRequestError("the form does not say which policy was changed; open it again") from error
    written = await read_sent(services.policy, text)
    await replace_policy(services.database, services.policy.path, written, expected, by, services.clock())
    said = "The policy is written, and in force within a second. What it concerns is judged again when it is asked for."
    elsewhere = (f"Here, that is: {one}." for one in left_elsewhere(services.policy.path, services.settings))
    return done(call, _PAGE, " ".join((said, *elsewhere)))


async def _tried(call: Call, text: str) -> _Tried:
    """Raises `BadRequestError` with every mistake, each on a line with its number."""
    try:
        new = await read_proposed(call, text)
    except ConfigurationError as error:
        said = "\n".join(f"line {one.line}: {one.message}" if one.line else one.message for one in error.problems)
        raise BadRequestError(f"this is no policy:\n{said}") from error
    mine = await images_of(call)
    return _Tried(await tried(call, new, mine[:_MOST_TRIED]), len(mine))


async def _editor(
    call: Call, text: str, base: str, *, problem: str = "", shown: _Tried | None = None, status: int = 200
) -> web.Response:
    return await page(
        call, "policy_edit.html", section="policy", status=status, problem=problem, text=text, base=base, tried=shown
    )
