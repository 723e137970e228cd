"""Who acts at the command line or the admin API, or beside all requests, and what the audit keeps of that."""

from dataclasses import dataclass
from datetime import datetime

from storage.audit import AuditRecord, Event


@dataclass(frozen=True, slots=True)
class Administrator:
    """Who changes something, for the audit: `name`, where from, and by which request, "" where it is none."""

    name: str
    address: str
    request_id: str = ""

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
            request_id=self.request_id,
            detail=detail,
        )


ITSELF = Administrator("imagegate", "")
"""The gate, which also does things that nobody asks for."""
