"""/console/approvals: base images and packages that admins approved."""

from collections.abc import Mapping

from aiohttp import web

from config.errors import ImagegateError
from proxy.admin.administering import administrator
from proxy.admin.image_access import meant_as_base
from proxy.admin.parameters import check_parameters
from proxy.console.fields import read_patterns
from proxy.console.pages import done, page, status_of
from proxy.errors import BadRequestError
from proxy.gate import approving
from proxy.gate.approving import Act, approve_base, approve_packages, read_packages
from proxy.routing import Call
from scanning.oci.names import ImageReference
from storage import approvals
from storage.approvals import ApprovalRecord

_LIST = "/console/approvals"
_EMPTY = dict.fromkeys(("image", "packages", "source", "repositories", "owner", "reason"), "")


async def listing(call: Call) -> web.StreamResponse:
    """Every approval, the newest first, and a form for another."""
    check_parameters(call.request.rel_url.query)
    return await _listing(call, _EMPTY)


async def approve(call: Call, form: Mapping[str, str]) -> web.StreamResponse:
    """Approve an image as a base to build on, or packages."""
    filled = {**_EMPTY, **form}
    try:
        names = await _approved(call, filled)
    except ImagegateError as error:
        return await _listing(call, filled, str(error), status=status_of(error))
    return done(call, _LIST, f"Approved, and in force within a second: {names}")


async def show(call: Call) -> web.StreamResponse:
    """One approval with its packages, and a button that takes it back."""
    check_parameters(call.request.rel_url.query)
    await administrator(call)
    record = await _known(call)
    packages = await read_packages(call.services.database, record)
    return await page(call, "approval.html", section="approvals", record=record, packages=packages)


async def revoke(call: Call, _form: Mapping[str, str]) -> web.StreamResponse:
    """Take an approval back. What rests on it is judged again."""
    await administrator(call)
    record = await _known(call)
    by = await administrator(call, record.approval.repositories)
    await approving.revoke(call.services.database, record.approval.id, by, call.services.clock())
    return done(call, _LIST, f"The approval of {record.approval.name} is taken back; what rests on it is judged again.")


async def _approved(call: Call, form: Mapping[str, str]) -> str:
    """What was approved, for people. Raises as the use cases do."""
    patterns = read_patterns(form["repositories"])
    by = await administrator(call, patterns)
    database = call.services.database
    act = Act(by, form["owner"].strip() or by.name, form["reason"].strip(), patterns, call.services.clock())
    named, packages, source = form["image"].strip(), form["packages"].split(), form["source"].strip()
    if bool(named) == bool(packages):
        raise BadRequestError("name either an image or packages")
    if named:
        image = ImageReference.parse(named)
        made = await approve_base(database, image, await meant_as_base(call, image), act)
        return ", ".join(record.approval.name for record in made)
    if not source:
        raise BadRequestError("say where the packages were seen, such as a ticket or a bill of materials")
    return (await approve_packages(database, source, packages, act)).approval.name


async def _listing(call: Call, form: Mapping[str, str], problem: str = "", *, status: int = 200) -> web.Response:
    await administrator(call)
    async with call.services.database.snapshot() as tx:
        found = await approvals.list_all(tx)
    mine = [record for record in found if call.caller.principal.is_concerned_by(record.approval.repositories)]
    return await page(call, "approvals.html", section="approvals", status=status, problem=problem, rows=mine, form=form)


async def _known(call: Call) -> ApprovalRecord:
    return await approving.known(call.services.database, call.parameters["id"], call.caller.principal)
