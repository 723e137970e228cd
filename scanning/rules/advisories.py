"""Packages that advisories call malicious or vulnerable, and the data that says so."""

from config.policy import DenyFindings
from config.vocabulary import Effect, Severity
from scanning.advisories.model import AdvisoryReport, Finding
from scanning.facts import ImageFacts
from scanning.hardening.catalogue import CHECKS
from scanning.rules.question import Answers, Question, Waived
from scanning.verdict import Violation

_MALICIOUS = CHECKS["H34"]


def malicious(question: Question) -> Answers:
    """`deny.malicious`: no package that was published to do harm, whether or not there is another version of it."""
    denied, facts = question.rule.deny.malicious, question.case.facts
    for finding in question.case.advisories.findings:
        if not finding.malicious:
            continue
        if question.malicious_waived(finding):
            yield Waived(f"{', '.join(finding.malicious)} {finding.purl}")
            continue
        package = facts.package(finding.purl) if facts else None
        doubt = f", and {finding.uncertain}" if finding.uncertain else ""
        yield Violation(
            "deny.malicious",
            denied.effect,
            f"{finding.package} {finding.version}",
            package.path if package else "",
            f"it is a malicious package ({', '.join(finding.malicious)}){doubt}: {_MALICIOUS.why}",
            _MALICIOUS.fix,
            _MALICIOUS.id,
            package.layer if package else None,
            facts.step_of(package.layer) if facts and package else "",
            purl=finding.purl,
        )


def findings(question: Question) -> Answers:
    """`deny.findings`: no package that an advisory of the given severity applies to, worst first."""
    denied = question.rule.deny.findings
    if denied is None:
        return

    def weight(finding: Finding) -> int:
        return (denied.unrated if finding.severity is Severity.UNRATED else finding.severity).rank

    for finding in sorted(question.case.advisories.findings, key=lambda f: (-weight(f), f.package, f.name)):
        if weight(finding) < denied.severity.rank:
            return
        if finding.malicious:
            continue  # `deny.malicious` tells of it.
        if denied.fixable and not finding.fixed_version and not finding.uncertain:
            continue
        if question.finding_waived(finding):
            yield Waived(f"{finding.name} {finding.purl}")
            continue
        yield _vulnerable(finding, denied, question.case.facts)


def finding_subject(finding: Finding) -> str:
    """What a violation calls a finding: the id people know, and the advisory's own where that is another."""
    return finding.name if finding.advisory == finding.name else f"{finding.name} ({finding.advisory})"


def _vulnerable(finding: Finding, denied: DenyFindings, facts: ImageFacts | None) -> Violation:
    package = facts.package(finding.purl) if facts else None
    layer = package.layer if package else None
    fixed = f"fixed in {finding.fixed_version}" if finding.fixed_version else "no fixed version is known"
    return Violation(
        "deny.findings",
        denied.effect,
        finding_subject(finding),
        f"package {finding.package} {finding.version}",
        f"severity {finding.severity}, {finding.uncertain or fixed}",
        f"upgrade {finding.package} to {finding.fixed_version} or later"
        if finding.fixed_version
        else f"remove {finding.package}, or ask an admin for a waiver",
        "H10",
        layer,
        facts.step_of(layer) if facts else "",
        purl=finding.purl,
    )


def advisory_data(question: Question) -> Answers:
    """`require.advisories`: there is advisory data, it is fresh, and it covers the packages."""
    required, facts = question.rule.require.advisories, question.case.facts
    if required is None or facts is None or (facts.artifact is not None and not facts.holds_programs):
        return
    report = question.case.advisories
    basis = report.basis
    if basis.snapshot is None or basis.fetched_at is None:
        why = "there is none, so nothing is known about vulnerable packages"
    elif question.now - basis.fetched_at > required.max_age:
        hours = required.max_age.total_seconds() / 3600
        why = f"it is from {basis.fetched_at:%Y-%m-%d %H:%M} UTC, and policy allows {hours:g} hours"
    else:
        yield from _uncovered_packages(report, facts)
        return
    yield Violation(
        "require.advisories",
        required.effect,
        "advisory data",
        "",
        why,
        "ask an admin to run: imagegate feeds update",
    )


def _uncovered_packages(report: AdvisoryReport, facts: ImageFacts) -> Answers:
    if report.unmatched:
        yield Violation(
            "require.advisories",
            Effect.WARN,
            f"{len(report.unmatched)} of {len(facts.packages)} packages",
            "",
            f"no advisory data covers them (for instance {report.unmatched[0]})",
            "ask an admin to add a feed for their ecosystem",
        )
