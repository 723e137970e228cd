"""Who acts at the command line or the admin API, or beside all requests, and what the audit keeps of that."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from config.patterns import RepositoryPattern
from proxy.errors import DeniedError
from proxy.identity.principal import Caller, Role
from storage.audit import AuditRecord, Event


@dataclass(frozen=True, slots=True)
class Administrator:
    """Who changes something, for the audit: `name` and where from."""

    name: str
    address: str

    def record(
        self, at: datetime, event: Event, *, outcome: str = "done", digest: str = "", detail: str = ""
    ) -> AuditRecord:
        """What the audit keeps of what they did."""
        return AuditRecord(
            at=at,
            event=event,
            actor=self.name,
            address=self.address,
            outcome=outcome,
            digest=digest,
            detail=detail,
        )


ITSELF = Administrator("imagegate", "")
"""The gate, which also does things that nobody asks for."""


def as_administrator(caller: Caller, repositories: Iterable[RepositoryPattern] = ()) -> Administrator:
    """The caller, if it is an admin, with its token itself, of all of `repositories`. Raises `DeniedError`."""
    principal = caller.principal
    if principal.role is not Role.ADMIN or principal.scopes is not None:
        raise DeniedError("only an admin does that, logged in with the token itself")
    beyond = next((one for one in repositories if not principal.covers_all_of(one)), None)
    if beyond is not None:
        raise DeniedError(f"the token {principal.name!r} does not cover {beyond}; name repositories that it covers")
    return Administrator(principal.name, caller.address)
