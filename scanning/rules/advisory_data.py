"""The data that other rules rest on: it is there, it is fresh, and it covers the packages."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from config.policy import RepositoryRule
from config.policy.require import RequireAdvisories
from config.vocabulary import Effect
from config.wording import counted
from scanning.advisories.model import AdvisoryBasis, AdvisoryReport
from scanning.facts import ImageFacts
from scanning.packages.purl import DISTRIBUTED, type_of
from scanning.rules.question import Answers, Question
from scanning.verdict import Cause, Violation

_NO_ECOSYSTEM = "generic"


@dataclass(frozen=True, slots=True)
class Needed:
    """Data that a rule rests on. `at` is when it was fetched, None where there is none; `loss` what that means."""

    name: str
    at: datetime | None
    loss: str


def needed(rule: RepositoryRule, basis: AdvisoryBasis) -> Iterator[Needed]:
    """What `rule` rests on, and how old it is."""
    if rule.require.advisories:
        yield Needed("advisory data", basis.fetched_at, "nothing is known about vulnerable packages")
    findings = rule.deny.findings
    if findings and findings.known_exploited:
        loss = "deny.findings.known_exploited finds nothing"
        yield Needed("catalogue of exploited vulnerabilities (KEV)", basis.exploited_at, loss)
    if findings and findings.epss is not None:
        yield Needed("forecasts of attacks (EPSS)", basis.forecasts_at, "deny.findings.epss finds nothing")


def advisory_data(question: Question) -> Answers:
    """`require.advisories`: there is advisory data, it is fresh, and it covers the packages.

    Where that is not required, data that another rule rests on and that is not there is a warning.
    """
    required, facts = question.rule.require.advisories, question.case.facts
    if facts is None or (facts.artifact is not None and not facts.holds_programs):
        return
    report = question.case.advisories
    poor = [
        (data.name, why)
        for data in needed(question.rule, report.basis)
        if (why := _what_is_wrong(data, required, question.now))
    ]
    # Without any data at all the first sentence says everything.
    for name, why in poor[:1] if report.basis.snapshot is None else poor:
        yield Violation(
            "require.advisories",
            required.effect if required else Effect.WARN,
            name,
            "",
            why,
            "ask an admin to run: imagegate feeds update",
        )
    if required and not poor:
        yield from _uncovered_packages(report, facts, required)


def _what_is_wrong(data: Needed, required: RequireAdvisories | None, now: datetime) -> str:
    if data.at is None:
        return f"there is none, so {data.loss}"
    if required and now - data.at > required.max_age:
        hours = required.max_age.total_seconds() / 3600
        return f"it is from {data.at:%Y-%m-%d %H:%M} UTC, and policy allows {hours:g} hours"
    return ""


def _uncovered_packages(report: AdvisoryReport, facts: ImageFacts, required: RequireAdvisories) -> Answers:
    """A whole distribution that no data is about is as if there were none; single packages of others are a warning."""
    distributed = [purl for purl in report.unmatched if type_of(purl) in DISTRIBUTED]
    others = [purl for purl in report.unmatched if type_of(purl) not in DISTRIBUTED]
    if distributed:
        system = facts.distribution
        name = system.pretty_name or f"{system.id} {system.version_id}".strip() if system else "it"
        yield Violation(
            "require.advisories",
            required.uncovered or required.effect,
            f"{len(distributed)} of {counted(len(facts.packages), 'package')}",
            "etc/os-release",
            f"no advisory data is about their distribution, {name} (for instance {distributed[0]})",
            "build on a release of a distribution that the gate has advisories for, or ask an admin to add a feed for"
            " this one",
            cause=Cause.UNCOVERED_DISTRIBUTION,
        )
    if others:
        kinds = Counter(map(type_of, others))
        by_kind = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
        commonest = kinds.most_common(1)[0][0]
        instance = next(purl for purl in others if purl.startswith(f"pkg:{commonest}/"))
        can_be_fed = bool(kinds.keys() - {_NO_ECOSYSTEM})
        yield Violation(
            "require.advisories",
            Effect.WARN,
            f"{len(others)} of {counted(len(facts.packages), 'package')}",
            "",
            f"no advisory data covers them: {by_kind} (for instance {instance})",
            "ask an admin to add a feed for their ecosystem"
            if can_be_fed
            else "install them as packages of a distribution, about which advisories speak",
            cause=None if can_be_fed else Cause.NO_ECOSYSTEM,
        )
