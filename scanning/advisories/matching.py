"""Advisories against the packages of an image.

One finding stands for one vulnerability of one source package in one version, however many binary packages
were built from it and however many advisories tell of it:

- An advisory is taken apart into the CVEs it is about (its id, `aliases`, `upstream`): a DSA with twelve
  CVEs gives twelve findings, so that a waiver for one CVE accepts that one only. An advisory without a CVE
  stands for itself.
- What several advisories say of one CVE becomes one finding: the worst of their severities, and the newest
  of the fixed versions they name. One that knows no fix does not hide the fix another knows, since policy
  may count only what can be fixed.
- `package` is the source package's name where that is installed, else its first binary package; `version`
  is the source's, which is the one advisories speak of.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from config.vocabulary import Severity
from scanning.advisories.ecosystems import IGNORING_CASE, Key, Subject, release_asked, subject
from scanning.advisories.model import AdvisoryBasis, AdvisoryReport, Finding
from scanning.advisories.osv import Advisory, Affected
from scanning.advisories.ranges import Hit, evaluate, newest
from scanning.advisories.severity import severity, worst
from scanning.facts import OsRelease, Package

_CVE = re.compile(r"CVE-[0-9]{4}-[0-9]{4,}")


@dataclass(frozen=True, slots=True)
class _Match:
    """One advisory that takes in one subject."""

    advisory: Advisory
    hit: Hit
    severity: Severity


def keys(packages: Iterable[Package], distribution: OsRelease | None) -> AbstractSet[Key]:
    """Which advisories `match` needs for these packages: pairs of ecosystem and package name."""
    subjects = (subject(package, distribution) for package in packages)
    return frozenset(found.key for found in subjects if found)


def match(
    packages: Sequence[Package],
    distribution: OsRelease | None,
    advisories: Mapping[Key, Sequence[Advisory]],
    basis: AdvisoryBasis,
) -> AdvisoryReport:
    """Find every advisory that takes in one of `packages`, worst first.

    `advisories` are those that `keys` asked for; a key without any may be absent. Packages that no
    ecosystem speaks of, or whose ecosystem or release `basis` does not cover, are reported as unmatched, by
    purl.
    """
    releases = frozenset(map(_asked, basis.releases))
    unmatched: set[str] = set()
    installed: dict[Subject, list[Package]] = {}
    for package in packages:
        asked = subject(package, distribution)
        if asked is None or not _covers(basis, releases, asked):
            unmatched.add(_purl(package))
        else:
            installed.setdefault(asked, []).append(package)
    findings = [
        finding
        for asked, group in installed.items()
        for finding in _findings(asked, group, advisories.get(asked.key, ()))
    ]
    findings.sort(key=lambda one: (-one.severity.rank, one.package, one.version, one.name, one.purl))
    return AdvisoryReport(basis, tuple(findings), tuple(sorted(unmatched)))


def _asked(known: str) -> str:
    ecosystem, _, release = known.partition(":")
    return f"{ecosystem}:{release_asked(ecosystem, release)}"


def _covers(basis: AdvisoryBasis, releases: AbstractSet[str], asked: Subject) -> bool:
    if asked.ecosystem not in basis.ecosystems:
        return False
    return not asked.releases or any(f"{asked.ecosystem}:{one}" in releases for one in asked.releases)


def _findings(asked: Subject, group: Sequence[Package], advisories: Sequence[Advisory]) -> list[Finding]:
    shown = min(group, key=lambda package: (package.name != asked.name, package.name, package.path))
    vulnerabilities: dict[str, list[_Match]] = {}
    for advisory in advisories:
        if advisory.withdrawn is not None or not advisory.is_security:
            continue
        for found in _matches(asked, advisory):
            for name in _vulnerabilities(advisory):
                vulnerabilities.setdefault(name, []).append(found)
    return [_finding(name, matches, asked, shown) for name, matches in vulnerabilities.items()]


def _matches(asked: Subject, advisory: Advisory) -> list[_Match]:
    return [
        _Match(advisory, hit, severity(advisory, affected))
        for affected in advisory.affected
        if _speaks_of(affected, asked) and (hit := evaluate(asked.version, affected)) is not None
    ]


def _speaks_of(affected: Affected, asked: Subject) -> bool:
    return (
        affected.ecosystem == asked.ecosystem
        and (
            affected.package == asked.name
            or (asked.ecosystem in IGNORING_CASE and affected.package.lower() == asked.name.lower())
        )
        and (not asked.releases or release_asked(affected.ecosystem, affected.release) in asked.releases)
    )


def _cves(advisory: Advisory) -> list[str]:
    names = (advisory.id, *advisory.aliases, *advisory.upstream)
    return sorted({name for name in names if _CVE.fullmatch(name)})


def _vulnerabilities(advisory: Advisory) -> list[str]:
    return _cves(advisory) or [min((advisory.id, *advisory.aliases, *advisory.upstream))]


def _finding(name: str, matches: Sequence[_Match], asked: Subject, shown: Package) -> Finding:
    # The advisory that is about the fewest vulnerabilities says most of this one.
    ordered = sorted(matches, key=lambda one: (len(_cves(one.advisory)), one.advisory.id))
    first = ordered[0].advisory
    certain = any(not one.hit.uncertain for one in ordered)
    return Finding(
        advisory=first.id,
        aliases=_aliases(name, first, [one.advisory for one in ordered]),
        purl=_purl(shown),
        package=shown.name,
        version=asked.version,
        severity=worst(one.severity for one in ordered) or Severity.UNRATED,
        fixed_version=newest(asked.ecosystem, (one.hit.fixed for one in ordered)),
        summary=next((one.advisory.summary for one in ordered if one.advisory.summary), ""),
        uncertain="" if certain else ordered[0].hit.uncertain,
    )


def _aliases(name: str, first: Advisory, advisories: Iterable[Advisory]) -> tuple[str, ...]:
    """The names of one vulnerability, its CVE first; an advisory about several CVEs adds only its id."""
    others: set[str] = {name}
    for advisory in advisories:
        others.add(advisory.id)
        if len(_cves(advisory)) < 2:
            others.update(advisory.aliases, advisory.upstream)
    return tuple(sorted(others - {first.id}, key=lambda one: (one != name, one)))


def _purl(package: Package) -> str:
    return package.purl or f"pkg:{package.type}/{package.name}@{package.version}"
