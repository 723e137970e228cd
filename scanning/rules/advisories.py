"""Packages that advisories call malicious or vulnerable."""

from collections.abc import Iterator

from config.policy import DenyFindings
from config.vocabulary import Severity
from scanning.advisories.model import Finding
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
    """`deny.findings`: no package that an advisory of the given severity applies to, what is attacked first."""
    denied = question.rule.deny.findings
    if denied is None:
        return

    def order(finding: Finding) -> tuple[bool, int, str, str]:
        return not _attacked(finding, denied), -_weight(finding, denied), finding.package, finding.name

    for finding in sorted(question.case.advisories.findings, key=order):
        if finding.malicious or not _counts(finding, denied):
            continue  # Of what is malicious `deny.malicious` tells.
        if question.finding_waived(finding):
            yield Waived(f"{finding.name} {finding.purl}")
            continue
        yield _vulnerable(finding, denied, question.case.facts)


def finding_subject(finding: Finding) -> str:
    """What a violation calls a finding: the id people know, and the advisory's own where that is another."""
    return finding.name if finding.advisory == finding.name else f"{finding.name} ({finding.advisory})"


def _attacked(finding: Finding, denied: DenyFindings) -> bool:
    return denied.known_exploited and finding.exploited is not None


def _weight(finding: Finding, denied: DenyFindings) -> int:
    return (denied.unrated if finding.severity is Severity.UNRATED else finding.severity).rank


def _counts(finding: Finding, denied: DenyFindings) -> bool:
    """What is attacked always counts; else what can be mended, if it is severe or likely to be attacked."""
    if _attacked(finding, denied):
        return True
    if denied.fixable and not finding.fixed_version and not finding.uncertain:
        return False
    forecast = finding.forecast
    is_likely = denied.epss is not None and forecast is not None and forecast.probability >= denied.epss
    return is_likely or _weight(finding, denied) >= denied.severity.rank


def _vulnerable(finding: Finding, denied: DenyFindings, facts: ImageFacts | None) -> Violation:
    package = facts.package(finding.purl) if facts else None
    layer = package.layer if package else None
    fixed = f"fixed in {finding.fixed_version}" if finding.fixed_version else "no fixed version is known"
    return Violation(
        "deny.findings",
        denied.effect,
        finding_subject(finding),
        f"package {finding.package} {finding.version}",
        ", ".join((f"severity {finding.severity}", *_attacks(finding), finding.uncertain or fixed)),
        f"upgrade {finding.package} to {finding.fixed_version} or later"
        if finding.fixed_version
        else f"remove {finding.package}, or ask an admin for a waiver",
        "H11" if finding.exploited else "H10",
        layer,
        facts.step_of(layer) if facts else "",
        purl=finding.purl,
    )


def _attacks(finding: Finding) -> Iterator[str]:
    if finding.exploited:
        yield f"known to be exploited since {finding.exploited.added}"
        if finding.exploited.ransomware:
            yield "used for ransom"
    if finding.forecast:
        yield f"attacks within 30 days {finding.forecast.probability:.0%} probable (EPSS)"
