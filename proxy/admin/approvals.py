"""/api/v1/approvals: base images and packages that admins approved.

Whoever may pull a repository sees what holds there. Only an admin approves and revokes, with the token itself and not
with a bearer token, and only for repositories that the token covers.
"""

from collections.abc import Iterable
from typing import Any

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from config.patterns import RepositoryPattern, is_repository_name
from proxy.admin.parameters import check_parameters
from proxy.errors import BadRequestError, DeniedError, NotFoundError, TooLargeError
from proxy.gate import approving
from proxy.gate.approving import Act, approve_base, approve_packages, meant, read_packages
from proxy.identity.administrator import Administrator
from proxy.identity.principal import Action, Caller, Role
from proxy.registry.bodies import read_bounded
from proxy.routing import Call
from scanning.oci.names import ImageReference, Repository
from storage import approvals
from storage.approvals import ApprovalRecord
from storage.audit import DENIED, AuditRecord, Event

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
    """What is in force for `?repository=`; without it everything that ever was approved, for admins."""
    check_parameters(call.request.rel_url.query, "repository")
    name = call.request.rel_url.query.get("repository", "")
    if name:
        repository = Repository(name)
        if not call.caller.principal.may(Action.PULL, repository):
            raise NotFoundError("there is no such repository, or it is not yours to see")
    else:
        await _administrator(call, ())
    async with call.services.database.snapshot() as tx:
        found = await approvals.list_all(tx)
    if name:
        found = tuple(one for one in found if one.revoked_at is None and one.approval.holds_in(name))
    return web.json_response({"approvals": [_as_json(record) for record in found]})


async def show(call: Call) -> web.StreamResponse:
    """One approval with its packages, for admins."""
    check_parameters(call.request.rel_url.query)
    await _administrator(call, ())
    database = call.services.database
    record = await _known(call)
    packages = await read_packages(database, record)
    return web.json_response(_as_json(record) | {"packages": list(packages)})


async def approve(call: Call) -> web.StreamResponse:
    """Approve an image behind the gate as a base, or packages. In force within a second."""
    wanted = _read(await _body(call))
    by = await _administrator(call, wanted.repositories)
    act = Act(by, wanted.owner or by.name, wanted.reason, wanted.repositories, call.services.clock())
    made: Iterable[ApprovalRecord]
    if wanted.image:
        image = ImageReference.parse(wanted.image)
        # Whoever may not have the image is told so, and why, as for a pull.
        if not call.caller.principal.may(Action.PULL, image.repository):
            raise NotFoundError("there is no such repository, or it is not yours to see")
        await call.services.gate.pull_manifest(call.caller, image.repository, image.reference, head=True)
        digest = await meant(call.services.database, call.services.upstream, image)
        made = await approve_base(call.services.database, image, digest, act)
    else:
        made = (await approve_packages(call.services.database, wanted.source, wanted.packages, act),)
    return web.json_response({"approvals": [_as_json(record) for record in made]}, status=201)


async def revoke(call: Call) -> web.StreamResponse:
    """Take an approval back. What rests on it is judged again."""
    await _administrator(call, ())
    record = await _known(call)
    by = await _administrator(call, record.approval.repositories)
    await approving.revoke(call.services.database, record.approval.id, by, call.services.clock())
    return web.Response(status=204)


async def _known(call: Call) -> ApprovalRecord:
    async with call.services.database.snapshot() as tx:
        record = await approvals.get(tx, call.parameters["id"])
    if record is None:
        raise NotFoundError("there is no such approval; GET /api/v1/approvals lists them")
    return record


async def _body(call: Call) -> bytes:
    patience = call.services.settings.network.read_timeout_seconds
    body = await read_bounded(call.request, _MOST_BYTES, patience)
    if body is None:
        raise TooLargeError(f"an approval has at most {_MOST_BYTES} bytes; approve the packages in several")
    return body


def _read(body: bytes) -> _Wanted:
    try:
        return _Wanted.model_validate_json(body)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise BadRequestError(f"this is no approval: {f'{place}: ' if place else ''}{first['msg']}") from error


async def _administrator(call: Call, repositories: Iterable[RepositoryPattern]) -> Administrator:
    """The caller, if it is an admin of all of `repositories`. Raises `DeniedError`, on the record."""
    caller = call.caller
    principal = caller.principal
    if principal.role is not Role.ADMIN or principal.scopes is not None:
        why = "only an admin does that, logged in with the token itself"
    elif beyond := next((one for one in repositories if not _covers(caller, one)), None):
        why = f"the token {principal.name!r} does not cover {beyond}; name repositories that it covers"
    else:
        return Administrator(principal.name, caller.address)
    await call.services.record(
        AuditRecord(
            at=call.services.clock(),
            event=Event.ACCESS_DENIED,
            actor=principal.name,
            address=caller.address,
            outcome=DENIED,
            request_id=caller.request_id,
            detail=f"{call.request.method} {call.request.path}: {why}",
        )
    )
    raise DeniedError(why)


def _covers(caller: Caller, pattern: RepositoryPattern) -> bool:
    """Whether the grant is for all that `pattern` matches: it names the same pattern, or covers a plain name."""
    granted = caller.principal.repositories
    if pattern in granted or RepositoryPattern("**") in granted:
        return True
    return is_repository_name(pattern.text) and any(one.matches(pattern.text) for one in granted)


def _as_json(record: ApprovalRecord) -> dict[str, Any]:
    approval = record.approval
    return {
        "id": approval.id,
        "kind": approval.kind,
        "name": approval.name,
        "repositories": [str(pattern) for pattern in approval.repositories],
        "content": str(approval.content),
        "owner": record.owner,
        "reason": record.reason,
        "approved_at": record.approved_at.isoformat(),
        "approved_by": record.approved_by,
        "revoked_at": record.revoked_at.isoformat() if record.revoked_at else None,
        "revoked_by": record.revoked_by or None,
    }
