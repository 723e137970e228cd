"""From a credential to a principal. Every kind of credential ends at the same grant and the same gate (threat 12).

    Basic    any name, an opaque token as password  \\
                                                      grant, alive (at most five seconds ago) -> principal
    Bearer   a JWT from /auth/token, by its grant id /
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from proxy.clock import Clock
from proxy.errors import UnauthorizedError
from proxy.identity.credentials import BasicCredential, BearerCredential, Credential
from proxy.identity.jwt import BearerTokens, Claims, TokenRefusedError
from proxy.identity.liveness import Liveness
from proxy.identity.principal import Principal
from proxy.identity.throttle import Throttle
from proxy.identity.tokens import OpaqueToken
from storage.audit import AuditRecord, Event

_REFUSED = (
    "the token is not valid: it is mistyped, expired or revoked; log in with a token from `imagegate token create`"
)


@dataclass(frozen=True, slots=True)
class Client:
    """Where a request comes from."""

    address: str
    request_id: str


@dataclass(frozen=True, slots=True)
class Known:
    """Who holds a token, as far as that is known without asking anybody; `holds` says whether it still is so."""

    principal: Principal
    holds: Callable[[], bool]


class Authenticator:
    """Tells who a credential belongs to. `record` writes one audit record, and `used` is told whose token was used."""

    def __init__(
        self,
        *,
        bearer: BearerTokens,
        liveness: Liveness,
        throttle: Throttle,
        record: Callable[[AuditRecord], Awaitable[None]],
        used: Callable[[str], None],
        clock: Clock,
    ) -> None:
        self._bearer = bearer
        self._liveness = liveness
        self._throttle = throttle
        self._record = record
        self._used = used
        self._clock = clock

    async def authenticate(self, credential: Credential, client: Client) -> Principal:
        """Who holds `credential`.

        Raises `UnauthorizedError`, or `TooManyRequestsError` after too many failures. Both are the same whatever
        was wrong (threat 9); the audit knows more.
        """
        match credential:
            case BasicCredential(account, password):
                return await self._basic(account, password, client)
            case BearerCredential(token):
                return await self._by_bearer(token, client)

    async def holder(self, grant: str) -> Principal | None:
        """Who holds a grant that was proven before; None where it has ended (at most five seconds ago)."""
        found = await self._liveness.find(grant)
        return found[1] if found else None

    def recall(self, token: str) -> Known | None:
        """Who holds a bearer token that was good a moment ago; None where that would have to be looked up.

        Not for passwords: too many wrong ones are a brake on right ones too.
        """
        claims = self._bearer.recall(token)
        holder = self._liveness.recall(claims.grant) if claims else None
        if claims is None or holder is None:
            return None
        return Known(
            _narrowed(holder, claims),
            lambda: self._liveness.recall(claims.grant) is holder and self._bearer.is_timely(claims),
        )

    async def _basic(self, account: str, password: str, client: Client) -> Principal:
        self._throttle.check(account, client.address)
        token = OpaqueToken.parse(password)
        found = await self._liveness.find(token.id) if token else None
        proof = token or OpaqueToken(id="", secret="")
        if proof.opens(found[0] if found else None) and found is not None:
            self._used(found[0].id)
            return found[1]
        await self._failed(account, client, "Basic credential refused")
        raise UnauthorizedError(_REFUSED)

    async def _by_bearer(self, token: str, client: Client) -> Principal:
        try:
            claims = await self._bearer.verify(token)
        except TokenRefusedError as error:
            if not error.expired:  # expiry is how every token ends, and no failure to audit
                await self._failed("", client, str(error))
            raise UnauthorizedError(str(error), error="invalid_token") from error
        found = await self._liveness.find(claims.grant)
        if found is None:
            await self._failed("", client, f"the grant {claims.grant} of the bearer token has ended")
            raise UnauthorizedError(_REFUSED, error="invalid_token")
        return _narrowed(found[1], claims)

    async def _failed(self, account: str, client: Client, why: str) -> None:
        self._throttle.check(account, client.address)  # what is braked is not recorded either: no flood of records
        self._throttle.failed(account, client.address)
        await self._record(
            AuditRecord(
                at=self._clock(),
                event=Event.LOGIN_FAILED,
                actor=account,
                address=client.address,
                outcome="refused",
                request_id=client.request_id,
                detail=why,
            )
        )


def _narrowed(holder: Principal, claims: Claims) -> Principal:
    """What of a grant a bearer token was issued for."""
    return replace(holder, scopes=claims.access.scopes, catalog=claims.access.catalog)
