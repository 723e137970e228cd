"""/api/v1/waivers: exceptions. Whoever may pull a repository sees what is excepted there; admins make and end them."""

from aiohttp import web
from pydantic import Field

from config.policy import Waiver
from proxy.admin.administering import administrator, read_document
from proxy.admin.image_access import check_may_pull
from proxy.admin.pages import page_of
from proxy.admin.parameters import check_parameters
from proxy.errors import BadRequestError
from proxy.gate import waiving
from proxy.routing import Call
from scanning.oci.names import Repository
from storage import waivers
from storage.waivers import WaiverRecord


class _Wanted(Waiver):
    """The exception that an admin wants, in the words of the policy. Its author is whoever makes it, unless told."""

    author: str = Field("", max_length=128)


async def listing(call: Call) -> web.StreamResponse:
    """What is excepted in `repository` now, by the policy file or on record; without it every exception on record that
    there ever was for repositories of an admin: at most `n`, older than `last`.
    """
    query = call.request.rel_url.query
    check_parameters(query, "repository", "n", "last")
    services = call.services
    if query.get("repository"):
        repository, now = Repository(query["repository"]), services.clock()
        check_may_pull(call, repository)
        policy = services.policy.current.policy
        holding = [one for one in policy.waivers if one.expires > now and one.holds_in(repository.name)]
        return web.json_response({"waivers": [waiving.waiver_as_document(waiver) for waiver in holding]})
    await administrator(call)
    async with services.database.snapshot() as tx:
        found = await waivers.list_all(tx)
    now = services.clock()
    mine = [record for record in found if call.caller.principal.is_concerned_by(record.waiver.repositories)]
    page = page_of(call, mine, lambda record: record.waiver.id)
    return web.json_response(
        {"waivers": [waiving.as_document(record, now) for record in page.items]}, headers=page.headers
    )


async def show(call: Call) -> web.StreamResponse:
    """One exception on record, for admins."""
    check_parameters(call.request.rel_url.query)
    await administrator(call)
    return web.json_response(waiving.as_document(await _known(call), call.services.clock()))


async def create(call: Call) -> web.StreamResponse:
    """Make an exception. In force within a second."""
    check_parameters(call.request.rel_url.query)
    wanted = await read_document(call, _Wanted, "exception")
    if wanted.id:
        raise BadRequestError("the gate gives an exception its id; leave id out")
    by = await administrator(call, wanted.repositories)
    values = {name: getattr(wanted, name) for name in Waiver.model_fields}
    waiver = Waiver.model_validate(values | {"author": wanted.author.strip() or by.name})
    record = await waiving.waive(call.services.database, waiver, by, call.services.clock())
    headers = {"Location": f"/api/v1/waivers/{record.waiver.id}"}
    return web.json_response(waiving.as_document(record, call.services.clock()), status=201, headers=headers)


async def end(call: Call) -> web.StreamResponse:
    """End an exception. What rests on it is judged again."""
    check_parameters(call.request.rel_url.query)
    await administrator(call)
    record = await _known(call)
    by = await administrator(call, record.waiver.repositories)
    await waiving.end(call.services.database, record.waiver.id, by, call.services.clock())
    return web.Response(status=204)


async def _known(call: Call) -> WaiverRecord:
    return await waiving.known(call.services.database, call.parameters["id"], call.caller.principal)
