"""What a rule is asked, and what it can answer."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from config.policy import RepositoryRule, Waiver
from scanning.advisories.model import Finding
from scanning.facts import Package
from scanning.rules.case import Case
from scanning.verdict import Violation


@dataclass(frozen=True, slots=True)
class Question:
    """A case before one rule of the policy, with the waivers in force at `now`."""

    case: Case
    rule: RepositoryRule
    waivers: tuple[Waiver, ...]
    now: datetime

    def package_waived(self, package: Package) -> bool:
        """Whether a waiver accepts `package`."""
        return any(pattern.matches(package.purl) for waiver in self.waivers for pattern in waiver.packages)

    def finding_waived(self, finding: Finding) -> bool:
        """Whether a waiver accepts `finding`, by any of its ids."""
        ids = {finding.advisory, *finding.aliases}
        return any(ids.intersection(waiver.findings) for waiver in self.waivers)

    def malicious_waived(self, finding: Finding) -> bool:
        """Whether a waiver names a malicious package as that: one written for a CVE accepted a flaw, not an attack."""
        return any(not set(waiver.findings).isdisjoint(finding.malicious) for waiver in self.waivers)


@dataclass(frozen=True, slots=True)
class Waived:
    """Something that breaks a rule and that a waiver accepts."""

    subject: str


Answers = Iterator[Violation | Waived]
