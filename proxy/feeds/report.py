"""What an import or update came to, ecosystem by ecosystem."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from config.errors import ImagegateError
from proxy.identity.administrator import Administrator
from storage.audit import AuditRecord, Event
from storage.snapshot import Snapshot

Progress = Callable[[str, int, int], None]
"""Called with a label, how much of it is done and how much there is (0: unknown), in the label's own unit."""


class FeedError(ImagegateError):
    """Advisory data that cannot be fetched or read. What was in force before stays in force."""


class Outcome(StrEnum):
    """What became of one ecosystem."""

    UPDATED = "updated"
    UNCHANGED = "unchanged"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class EcosystemResult:
    """What became of one ecosystem.

    `records` are those in force now. `skipped` counts malformed records that a forced import left out.
    `problem` says why it failed: its previous data, if any, stays in force.
    """

    ecosystem: str
    outcome: Outcome
    records: int = 0
    skipped: int = 0
    problem: str = ""


@dataclass(frozen=True, slots=True)
class FeedReport:
    """What an import or update did. `snapshot` is the one in force afterwards, None if there never was one."""

    snapshot: Snapshot | None
    results: tuple[EcosystemResult, ...]

    def record(self, at: datetime, by: Administrator, deed: str) -> AuditRecord:
        """What the audit keeps of it."""
        taken = ", ".join(f"{result.ecosystem} {result.outcome}" for result in self.results)
        return by.record(
            at,
            Event.FEEDS_CHANGED,
            outcome="failed" if self.failed else "done",
            digest=str(self.snapshot.digest) if self.snapshot else "",
            detail=f"{deed}: {taken}",
        )

    @property
    def failed(self) -> bool:
        """Whether any ecosystem was not taken in."""
        return any(result.outcome is Outcome.FAILED for result in self.results)


def no_progress(_label: str, _done: int, _total: int) -> None:
    """Nobody is watching."""
