"""How things look in the console's tables, as in those of the commands."""

from dataclasses import dataclass
from datetime import datetime

from scanning.oci.digest import Digest
from scanning.verdict import Outcome, Verdict


@dataclass(frozen=True, slots=True)
class VerdictRow:
    """A verdict in a list; `reason` is the first, "" where there is none, and `more` how many others there are."""

    id: str
    repository: str
    digest: Digest
    tag: str
    outcome: Outcome
    is_audited: bool
    judged_at: datetime
    reason: str
    rule: str
    more: int


def verdict_row(verdict: Verdict) -> VerdictRow:
    """The verdict as a row."""
    reasons = verdict.violations or verdict.warnings
    whole = f"{verdict.repository}@{verdict.digest}"
    return VerdictRow(
        verdict.id,
        verdict.repository,
        verdict.digest,
        verdict.tag,
        verdict.outcome,
        verdict.enforced is not verdict.outcome,
        verdict.judged_at,
        ": ".join(part for part in (reasons[0].subject, reasons[0].why) if part != whole) if reasons else "",
        reasons[0].rule if reasons else "",
        max(len(reasons) - 1, 0),
    )
