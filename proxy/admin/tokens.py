"""/api/v1/tokens: who may use the gate. For admins, each for tokens of the repositories that their own token covers."""

from collections.abc import Mapping
from datetime import datetime

from aiohttp import hdrs, web
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from config.durations import Duration, end_after
from config.patterns import RepositoryPattern
from proxy.admin.administering import administrator, read_document
from proxy.admin.pages import page_of
from proxy.admin.parameters import check_parameters
from proxy.errors import BadRequestError, NotFoundError
from proxy.identity import tokens
from proxy.identity.principal import Role
from proxy.identity.tokens import LONGEST_NAME, NewGrant
from proxy.routing import Call
from storage.grants import Grant

_NOT_KEPT: Mapping[str, str] = {hdrs.CACHE_CONTROL: "no-store"}


class _Wanted(BaseModel):
    """The token that an admin wants: as `imagegate token create` takes it, or with the moment when it ends."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=LONGEST_NAME)
    role: Role = Role.OPERATOR
    repositories: tuple[RepositoryPattern, ...] = Field(min_length=1)
    expires: Duration | None = None
    expires_at: AwareDatetime | None = None

    @model_validator(mode="after")
    def _ends_once(self) -> "_Wanted":
        if self.expires is not None and self.expires_at is not None:
            raise ValueError("say either how long it lives (expires) or when it ends (expires_at)")
        return self

    def end(self, now: datetime) -> datetime | None:
        """When it ends; None if never. Raises `BadRequestError` for what no calendar has."""
        try:
            return self.expires_at if self.expires is None else end_after(now, self.expires)
        except ValueError as error:
            raise BadRequestError(f"expires: {error}") from error


async def listing(call: Call) -> web.StreamResponse:
    """Every token that there ever was, the newest first: at most `n`, older than the one with the id `last`."""
    check_parameters(call.request.rel_url.query, "n", "last")
    await administrator(call)
    found = await tokens.seen_by(call.services.database, call.caller.principal)
    page = page_of(call, found, lambda grant: grant.id)
    shown = [tokens.as_document(grant, call.services.clock()) for grant in page.items]
    return web.json_response({"tokens": shown}, headers={**_NOT_KEPT, **page.headers})


async def show(call: Call) -> web.StreamResponse:
    """One token, without its secret, which is kept nowhere."""
    check_parameters(call.request.rel_url.query)
    await administrator(call)
    return web.json_response(tokens.as_document(await known(call), call.services.clock()), headers=_NOT_KEPT)


async def create(call: Call) -> web.StreamResponse:
    """Make a token. This answer shows it, and nothing ever again."""
    check_parameters(call.request.rel_url.query)
    wanted = await read_document(call, _Wanted, "token")
    by = await administrator(call, wanted.repositories)
    now = call.services.clock()
    new = NewGrant(wanted.name, wanted.role, wanted.repositories, wanted.end(now))
    grant, token = await tokens.create(call.services.database, new, by, now, call.caller.principal)
    headers = {**_NOT_KEPT, hdrs.LOCATION: f"/api/v1/tokens/{grant.id}"}
    return web.json_response(tokens.as_document(grant, now) | {"token": token.text}, status=201, headers=headers)


async def revoke(call: Call) -> web.StreamResponse:
    """End a token; it is refused everywhere within 5 seconds. The last admin's is not ended here."""
    check_parameters(call.request.rel_url.query)
    by = await administrator(call)
    grant = await known(call)
    database, now = call.services.database, call.services.clock()
    if not await tokens.revoke(database, grant.id, by, now, leaves_an_admin=True):
        raise NotFoundError(f"token {grant.id} ({grant.name}) was revoked before")
    return web.Response(status=204)


async def known(call: Call) -> Grant:
    """The token whose id is in the path. Raises `NotFoundError`."""
    grant = await tokens.find(call.services.database, call.caller.principal, call.parameters["id"])
    if grant is None:
        raise NotFoundError("there is no such token, or it is not yours to see")
    return grant
