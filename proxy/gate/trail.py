"""What the gate writes into the audit about a caller's request."""

from dataclasses import dataclass

from proxy.clock import Clock
from proxy.denials import Denials
from proxy.identity.principal import Caller
from scanning.oci.digest import Digest
from scanning.oci.names import Reference, Repository
from scanning.verdict import Verdict
from storage import audit
from storage.audit import DENIED, AuditRecord, Event, RepeatedRecord
from storage.audit_spool import AuditSpool
from storage.database import Transaction


@dataclass(frozen=True, slots=True)
class Target:
    """What a request was about. `digest` is what the reference meant, where that is known."""

    repository: Repository
    reference: Reference
    digest: Digest | None = None


class Trail:
    """Writes one record per decision: in its transaction where it has one, else in the spool, before the answer."""

    def __init__(self, spool: AuditSpool, denials: Denials, clock: Clock) -> None:
        self._spool = spool
        self._denials = denials
        self._clock = clock

    async def write(
        self,
        tx: Transaction,
        event: Event,
        caller: Caller | None,
        target: Target,
        *,
        verdict: Verdict | None = None,
        outcome: str = "",
        detail: str = "",
    ) -> None:
        """Record what `caller` (None: the gate itself) did. `outcome` defaults to what the verdict enforces."""
        await audit.append(tx, self._record(event, caller, target, verdict, outcome, detail))

    def note(
        self,
        event: Event,
        caller: Caller,
        target: Target,
        *,
        verdict: Verdict | None = None,
        outcome: str,
        detail: str = "",
    ) -> None:
        """Record what `caller` was answered, where nothing else is stored; of what is denied all the time, the number.

        Raises `StorageUnavailableError`.
        """
        record = self._record(event, caller, target, verdict, outcome, detail)
        if outcome != DENIED or self._denials.is_to_be_told(caller.principal.grant, record):
            self._spool.append(record)

    def repeated(
        self, event: Event, caller: Caller, target: Target, *, verdict: Verdict | None, outcome: str
    ) -> RepeatedRecord:
        """What `note` would record, for `note_repeated` to write as often as it happens."""
        return RepeatedRecord(self._record(event, caller, target, verdict, outcome, ""))

    def note_repeated(self, lines: bytes) -> None:
        """Record lines of what `repeated` gave, all at once. Raises `StorageUnavailableError`."""
        self._spool.append_lines(lines)

    def _record(
        self, event: Event, caller: Caller | None, target: Target, verdict: Verdict | None, outcome: str, detail: str
    ) -> AuditRecord:
        return AuditRecord(
            at=self._clock(),
            event=event,
            actor=caller.principal.name if caller else "imagegate",
            address=caller.address if caller else "",
            outcome=outcome or (verdict.enforced if verdict else ""),
            repository=target.repository.name,
            reference=str(target.reference),
            digest=str(target.digest or ""),
            verdict=verdict.id if verdict else "",
            request_id=caller.request_id if caller else "",
            detail=detail,
        )
