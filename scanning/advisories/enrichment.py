"""What more is known of findings than the advisories say: whether anybody attacks them."""

from collections.abc import Collection, Mapping
from dataclasses import replace

from scanning.advisories.exploitation import Exploited, Forecast
from scanning.advisories.model import AdvisoryReport, Finding


def names(report: AdvisoryReport) -> Collection[str]:
    """The CVEs to look for."""
    return frozenset(cve for finding in report.findings for cve in _cves(finding))


def enrich(
    report: AdvisoryReport, exploited: Mapping[str, Exploited], forecasts: Mapping[str, Forecast]
) -> AdvisoryReport:
    """Add to each finding what is known of attacks on it, by any of its CVEs: of several forecasts the highest."""
    return replace(report, findings=tuple(_enriched(one, exploited, forecasts) for one in report.findings))


def _enriched(finding: Finding, exploited: Mapping[str, Exploited], forecasts: Mapping[str, Forecast]) -> Finding:
    cves = _cves(finding)
    return replace(
        finding,
        exploited=next((exploited[cve] for cve in cves if cve in exploited), None),
        forecast=max(
            (forecasts[cve] for cve in cves if cve in forecasts), key=lambda one: one.probability, default=None
        ),
    )


def _cves(finding: Finding) -> list[str]:
    return sorted(one for one in {finding.advisory, *finding.aliases} if one.startswith("CVE-"))
