"""/api/v1/approvals: base images and packages that admins approved.

Whoever may pull a repository sees what holds there, and admins what holds anywhere in theirs. Only an admin approves
and revokes, with the token itself and not with a bearer token, and only for repositories that the token covers.
"""

from collections.abc import Iterable

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, model_validator

from config.patterns import RepositoryPattern
from proxy.admin.administering import administrator, read_document
from proxy.admin.image_access import check_may_pull, meant_as_base
from proxy.admin.parameters import check_parameters
from proxy.gate import approving
from proxy.gate.approving import Act, approve_base, approve_packages, read_packages
from proxy.routing import Call
from scanning.oci.names import ImageReference, Repository
from storage import approvals
from storage.approvals import ApprovalRecord

_MOST_BYTES = 4 << 20


class _Wanted(BaseModel):
    """What an admin wants to approve: the image, or the packages by purl and where they were seen."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    image: str = ""
    packages: tuple[str, ...] = ()
    source: str = Field("", max_length=500)
    repositories: tuple[RepositoryPattern, ...] = Field(min_length=1)
    owner: str = Field("", max_length=128)
    reason: str = Field(min_length=1, max_length=4096)

    @model_validator(mode="after")
    def _is_one_thing(self) -> "_Wanted":
        if bool(self.image) == bool(self.packages):
            raise ValueError("name either an image or packages")
        if self.packages and not self.source:
            raise ValueError("say in source where the packages were seen")
        if any("\0" in text for text in (self.reason, self.owner, self.source)):
            raise ValueError("a NUL stands in a text, where not every database keeps one; leave it out")
        return self


async def listing(call: Call) -> web.StreamResponse:
    """What is in force for `?repository=`; without it all that ever was approved where admins are."""
    check_parameters(call.request.rel_url.query, "repository")
    name = call.request.rel_url.query.get("repository", "")
    if name:
        check_may_pull(call, Repository(name))
    else:
        await administrator(call)
    async with call.services.database.snapshot() as tx:
        found = await approvals.list_all(tx)
    if name:
        found = tuple(one for one in found if one.revoked_at is None and one.approval.holds_in(name))
    else:
        found = tuple(one for one in found if call.caller.principal.is_concerned_by(one.approval.repositories))
    return web.json_response({"approvals": [approving.as_document(record) for record in found]})


async def show(call: Call) -> web.StreamResponse:
    """One approval with its packages, for admins."""
    check_parameters(call.request.rel_url.query)
    await administrator(call)
    database = call.services.database
    record = await _known(call)
    packages = await read_packages(database, record)
    return web.json_response(approving.as_document(record) | {"packages": list(packages)})


async def approve(call: Call) -> web.StreamResponse:
    """Approve an image behind the gate as a base, or packages. In force within a second."""
    check_parameters(call.request.rel_url.query)
    wanted = await read_document(call, _Wanted, "approval", most=_MOST_BYTES)
    by = await administrator(call, wanted.repositories)
    act = Act(by, wanted.owner or by.name, wanted.reason, wanted.repositories, call.services.clock())
    made: Iterable[ApprovalRecord]
    if wanted.image:
        image = ImageReference.parse(wanted.image)
        digest = await meant_as_base(call, image)
        made = await approve_base(call.services.database, image, digest, act)
    else:
        made = (await approve_packages(call.services.database, wanted.source, wanted.packages, act),)
    return web.json_response({"approvals": [approving.as_document(record) for record in made]}, status=201)


async def revoke(call: Call) -> web.StreamResponse:
    """Take an approval back. What rests on it is judged again."""
    check_parameters(call.request.rel_url.query)
    await administrator(call)
    record = await _known(call)
    by = await administrator(call, record.approval.repositories)
    await approving.revoke(call.services.database, record.approval.id, by, call.services.clock())
    return web.Response(status=204)


async def _known(call: Call) -> ApprovalRecord:
    return await approving.known(call.services.database, call.parameters["id"], call.caller.principal)
