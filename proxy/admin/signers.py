"""/api/v1/signers: whose signatures count, and where. They stand in the policy, so they are for admins of every
repository, as it is.
"""

from aiohttp import hdrs, web
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from config.patterns import EVERY_REPOSITORY, RepositoryPattern
from config.policy import Signer
from proxy.admin.administering import administrator, read_document
from proxy.admin.entity_tags import expected, tag_of
from proxy.admin.parameters import check_parameters
from proxy.gate import signers
from proxy.gate.policy_writing import left_elsewhere
from proxy.gate.signers import WantedSigner
from proxy.routing import Call

_LONGEST_NAME = 128


class _Wanted(BaseModel):
    """The signer that an admin wants to add, or by its name alone one that is to count in more rules."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=_LONGEST_NAME)
    key: str = ""
    not_after: AwareDatetime | None = None
    repositories: tuple[RepositoryPattern, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _has_a_usable_key(self) -> "_Wanted":
        if self.not_after is not None and not self.key:
            raise ValueError("not_after is the end of a key; send the key with it")
        self.signer()
        return self

    def signer(self) -> Signer | None:
        """It, as the policy writes it."""
        return Signer(key=self.key, not_after=self.not_after) if self.key else None


async def listing(call: Call) -> web.StreamResponse:
    """Every signer of the policy, in its order. The ETag is that of the policy."""
    check_parameters(call.request.rel_url.query)
    await administrator(call, (EVERY_REPOSITORY,))
    written, now = (await call.services.policy.on_disk()).written, call.services.clock()
    found = [signers.as_document(written.policy, name, now) for name in written.policy.signers]
    headers = {hdrs.ETAG: tag_of(written.digest), hdrs.CACHE_CONTROL: "no-store"}
    return web.json_response({"signers": found}, headers=headers)


async def add(call: Call) -> web.StreamResponse:
    """Add a signer, or one that is there to more rules. In force within a second."""
    check_parameters(call.request.rel_url.query)
    by = await administrator(call, (EVERY_REPOSITORY,))
    sent = await read_document(call, _Wanted, "signer")
    services = call.services
    wanted = WantedSigner(sent.name, sent.signer(), sent.repositories)
    now = services.clock()
    new = await signers.trust(services.database, services.policy.path, wanted, expected(call), by, now)
    document = signers.as_document(new.policy, sent.name, now) | {"warnings": _warnings(call)}
    return web.json_response(document, status=201, headers={hdrs.ETAG: tag_of(new.digest)})


async def remove(call: Call) -> web.StreamResponse:
    """Take a signer out of the policy and all of its rules. What rests on its signatures is judged again."""
    check_parameters(call.request.rel_url.query)
    by = await administrator(call, (EVERY_REPOSITORY,))
    services, name = call.services, call.parameters["id"]
    gone = await signers.distrust(services.database, services.policy.path, name, expected(call), by, services.clock())
    document = {"warnings": _warnings(call, *gone.warnings)}
    return web.json_response(document, headers={hdrs.ETAG: tag_of(gone.written.digest)})


def _warnings(call: Call, *more: str) -> list[str]:
    return [*more, *left_elsewhere(call.services.policy.path, call.services.settings)]
