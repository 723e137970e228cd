"""/console/signers: whose signatures count, and where; for admins of every repository, as the policy is."""

from collections.abc import Mapping
from datetime import datetime

from aiohttp import web
from pydantic import ValidationError

from config.errors import ImagegateError
from config.patterns import EVERY_REPOSITORY
from config.policy import Signer
from config.policy_signers import is_name
from config.wording import as_sentence
from proxy.admin.administering import administrator
from proxy.admin.parameters import check_parameters
from proxy.console.fields import read_end, read_patterns
from proxy.console.pages import done, page, status_of
from proxy.errors import BadRequestError, NotFoundError
from proxy.gate import signers
from proxy.gate.policy_writing import left_elsewhere
from proxy.gate.signers import WantedSigner
from proxy.routing import Call

_LIST = "/console/signers"
_EMPTY = {"name": "", "key": "", "repositories": "", "expires": ""}


async def listing(call: Call) -> web.StreamResponse:
    """Every signer, and a form for another."""
    check_parameters(call.request.rel_url.query)
    return await _listing(call, _EMPTY)


async def add(call: Call, form: Mapping[str, str]) -> web.StreamResponse:
    """Add a signer, or one that is there to more rules."""
    try:
        by = await administrator(call, (EVERY_REPOSITORY,))
        services, now = call.services, call.services.clock()
        wanted = _read({**_EMPTY, **form}, now)
        await signers.trust(services.database, services.policy.path, wanted, None, by, now)
    except ImagegateError as error:
        return await _listing(call, {**_EMPTY, **form}, str(error), status=status_of(error))
    where = ", ".join(map(str, wanted.repositories))
    return _done(call, f"Signatures by {wanted.name} count for {where}, within a second.")


async def show(call: Call) -> web.StreamResponse:
    """One signer with its key, and a button that removes it."""
    check_parameters(call.request.rel_url.query)
    await administrator(call, (EVERY_REPOSITORY,))
    return await _shown(call)


async def remove(call: Call, _form: Mapping[str, str]) -> web.StreamResponse:
    """Take a signer out of the policy and all of its rules."""
    by = await administrator(call, (EVERY_REPOSITORY,))
    services, name = call.services, call.parameters["id"]
    try:
        gone = await signers.distrust(services.database, services.policy.path, name, None, by, services.clock())
    except NotFoundError:
        raise
    except ImagegateError as error:
        return await _shown(call, str(error), status=status_of(error))
    said = f"Signatures by {name} count no more, within a second; what rests on them is judged again."
    return _done(call, said, *gone.warnings)


def _done(call: Call, said: str, *warnings: str) -> web.Response:
    elsewhere = left_elsewhere(call.services.policy.path, call.services.settings)
    return done(call, _LIST, " ".join((said, *map(as_sentence, warnings + elsewhere))))


async def _listing(call: Call, form: Mapping[str, str], problem: str = "", *, status: int = 200) -> web.Response:
    await administrator(call, (EVERY_REPOSITORY,))
    policy, now = (await call.services.policy.on_disk()).written.policy, call.services.clock()
    asking = [
        (pattern, asked) for rule in policy.rules if (asked := rule.require.signatures) for pattern in rule.repositories
    ]
    return await page(
        call,
        "signers.html",
        section="signers",
        status=status,
        problem=problem,
        rows=[
            (signers.as_document(policy, name, now), signer.not_after, is_name(name))
            for name, signer in policy.signers.items()
        ],
        asking=asking,
        form=form,
    )


async def _shown(call: Call, problem: str = "", *, status: int = 200) -> web.Response:
    policy, name = (await call.services.policy.on_disk()).written.policy, call.parameters["id"]
    if name not in policy.signers:
        raise NotFoundError("the policy has no such signer")
    return await page(
        call,
        "signer.html",
        section="signers",
        status=status,
        problem=problem,
        signer=signers.as_document(policy, name, call.services.clock()),
        not_after=policy.signers[name].not_after,
    )


def _read(form: Mapping[str, str], now: datetime) -> WantedSigner:
    """The signer in a form. Raises `BadRequestError`."""
    repositories = read_patterns(form["repositories"])
    if not repositories:
        raise BadRequestError("name at least one pattern of a rule that is to count the signatures")
    key, lives = form["key"].replace("\r\n", "\n").strip(), form["expires"].strip()
    now = now.replace(microsecond=0)
    if not key:
        return WantedSigner(form["name"].strip(), None, repositories)
    try:
        signer = Signer(key=f"{key}\n", not_after=read_end(lives, now) if lives else None)
    except ValidationError as error:
        raise BadRequestError(error.errors()[0]["msg"].removeprefix("Value error, ")) from error
    return WantedSigner(form["name"].strip(), signer, repositories)
