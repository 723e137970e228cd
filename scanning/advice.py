"""What a developer has to do so that an image is admitted: the reasons of a verdict, put together by what mends them.

    violations of a verdict --by rule, by check, and by whose they are--> Action: a title, steps, and what it is about

Pure, and about nothing that the verdict does not say: each violation is a part of exactly one action.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cmp_to_key

from config.versions import InvalidVersionError, compare_packages
from config.vocabulary import Effect, Severity
from config.wording import counted
from scanning.advisories.model import Finding
from scanning.facts import ImageFacts, Package
from scanning.packages.purl import type_of
from scanning.packages.upgrading import Upgrade, upgrade_steps
from scanning.rules.advisories import finding_subject
from scanning.rules.case import Case
from scanning.verdict import Cause, Verdict, Violation


@dataclass(frozen=True, slots=True)
class Item:
    """One thing an action is about. `place` is its layer and build step, "" where there is none. What has a `row` is no
    more than a name, and stands in a row of that title with others.
    """

    text: str
    place: str = ""
    row: str = ""


@dataclass(frozen=True, slots=True)
class Action:
    """One thing to do. `steps` are commands or sentences, any of them all that is needed for its part of `items`."""

    title: str
    rule: str
    effect: Effect
    items: tuple[Item, ...]
    steps: tuple[str, ...]


_TITLES = {
    "rules": "Use another repository",
    "inspection": "Build it so that all of it can be inspected",
    "deny.secrets": "Take {n} out and revoke {them}",
    "deny.malware": "Find out how {n} came in, and build without {them}",
    "deny.malicious": "Remove {n}",
    "deny.tools": "Remove {n}",
    "deny.packages": "Remove {n}",
    "deny.licences": "Do without {n}",
    "require.licences": "Do without {n}",
    "deny.typosquats": "Use what was meant, or have {n} vetted",
    "deny.findings": "Upgrade what has {n}",
    "deny.end_of_life": "Build on a release that is still maintained",
    "require.minimum_age": "Wait, or take older versions of {n}",
    "require.base": "Build on an approved base image",
    "require.vetted_packages": "Use vetted packages, or have {n} vetted",
    "deny.root_user": "Start as an unprivileged user",
    "require.malware_scan": "Ask an admin for a malware scanner",
    "require.advisories": "Ask an admin for advisory data",
    "artifacts": "Push only artifacts that this repository takes",
    "foreign_layers": "Push {n} as ordinary layers",
    "tags.downgrade": "Do not go back to older packages",
    "require.signatures": "Sign it",
}
_TITLES_OF_CAUSES = {
    Cause.NO_RELEASE: "Let it tell which distribution it is",
    Cause.WRONG_RELEASE: "Let it tell which distribution it is",
    Cause.NO_PACKAGE_DATABASE: "Let it tell where its programs come from",
    Cause.NO_LIFECYCLE: "Ask an admin for data about the ends of releases",
    Cause.NO_ECOSYSTEM: "Install packages that advisories speak of",
    Cause.UNCOVERED_DISTRIBUTION: "Build on a distribution that advisories are about",
    Cause.NO_SIGHTINGS: "Ask a gate how long it has known the packages",
    Cause.UNPACKAGED: "Install what no package brings as vetted packages",
    Cause.NO_SIGNER: "Ask an admin to name who signs",
}
_NOUNS = {
    "deny.secrets": ("secret", "secrets"),
    "deny.malware": ("file with malware", "files with malware"),
    "deny.malicious": ("malicious package", "malicious packages"),
    "deny.tools": ("tool", "tools"),
    "deny.findings": ("finding", "findings"),
    "deny.packages": ("denied package", "denied packages"),
    "require.vetted_packages": ("package", "packages"),
    "deny.licences": ("package under a denied licence", "packages under denied licences"),
    "require.licences": ("package under no allowed licence", "packages under no allowed licence"),
    "deny.typosquats": ("package with another's name", "packages with others' names"),
    "require.minimum_age": ("package that is too new", "packages that are too new"),
    "foreign_layers": ("layer", "layers"),
}
_FINDINGS, _VETTED = "deny.findings", "require.vetted_packages"
_HARDENING = "deny.hardening"
_OF_SOURCES = ("apk", "deb")
"""Advisories of these speak of source packages."""


def advise(case: Case | None, verdict: Verdict) -> tuple[Action, ...]:
    """What to do about the violations of `verdict`, then about its warnings, each in the order they are told. What an
    index only repeats of its images is left out: ask for each of them.

    `case` is what the verdict was made of; without it, upgrades are not put together to commands.
    """
    children = case.children if case else ()
    repeated = {(told.rule, told.subject) for child in children for told in child.violations[:1]}
    return tuple(
        action
        for violations in (verdict.violations, verdict.warnings)
        for action in _actions(case, [one for one in violations if (one.rule, one.subject) not in repeated])
    )


def _actions(case: Case | None, violations: Sequence[Violation]) -> Iterator[Action]:
    groups: dict[tuple[str, str, Effect, bool], list[Violation]] = {}
    for violation in violations:
        title = _title(violation)
        groups.setdefault((violation.rule, title, violation.effect, violation.inherited), []).append(violation)
    for (rule, title, *_), group in groups.items():
        if rule == _FINDINGS and case is not None and _knows(case, group):
            yield from _upgrades(case, group)
        else:
            yield _plain(rule, title, group)


def _title(told: Violation) -> str:
    """What is to be done about it and others like it, with places for how many they are."""
    if told.rule == _HARDENING:
        return f"Mend {told.subject}"
    return _TITLES_OF_CAUSES[told.cause] if told.cause else _TITLES.get(told.rule, f"Keep the rule {told.rule}")


def _knows(case: Case, group: Iterable[Violation]) -> bool:
    """Whether the findings are there that a verdict tells of: one of an older version may tell of others."""
    known = {(finding.purl, finding_subject(finding)) for finding in case.advisories.findings}
    return case.facts is not None and all((told.purl, told.subject) in known for told in group)


def _plain(rule: str, title: str, group: Sequence[Violation]) -> Action:
    if rule in _NOUNS:
        count, them = counted(len(group), *_NOUNS[rule]), "it" if len(group) == 1 else "them"
        title = title.replace("{n}", count).replace("{them}", them)
    steps = tuple(dict.fromkeys(violation.fix for violation in group))
    items = _ordered(tuple(map(_item, group)))
    return Action(_inherited(title, group), rule, group[0].effect, items, _with_base(steps, group))


def _ordered(items: tuple[Item, ...]) -> tuple[Item, ...]:
    """By the alphabet where they are names, each place by itself."""
    places = {place: number for number, place in enumerate(dict.fromkeys(item.place for item in items))}
    return tuple(sorted(items, key=lambda item: (places[item.place], item.row, item.text.lower() if item.row else "")))


def _item(violation: Violation) -> Item:
    if violation.rule == _VETTED and violation.purl:
        kind = type_of(violation.purl)
        return Item(violation.subject, _layer(violation), kind)
    where = f" in {violation.where}" if violation.where else ""
    subject = violation.where or violation.subject if violation.rule == _HARDENING else f"{violation.subject}{where}"
    return Item(f"{subject}: {violation.why}", _layer(violation))


def _layer(violation: Violation) -> str:
    if violation.layer is None:
        return ""
    step = f": {violation.created_by}" if violation.created_by else ""
    return f"layer {violation.layer.short}{step}"


def _upgrades(case: Case, group: Sequence[Violation]) -> Iterator[Action]:
    """Packages that a newer version mends, then those that none does."""
    found = {(finding.purl, finding_subject(finding)): finding for finding in case.advisories.findings}
    of_package: dict[str, list[tuple[Violation, Finding]]] = {}
    for violation in group:
        of_package.setdefault(violation.purl, []).append((violation, found[violation.purl, violation.subject]))
    mended = {purl: told for purl, told in of_package.items() if all(finding.fixed_version for _, finding in told)}
    others = {purl: told for purl, told in of_package.items() if purl not in mended}
    if mended:
        newest = {purl: _newest(purl, (finding for _, finding in told)) for purl, told in mended.items()}
        built = {purl: _built_together(case.facts, told[0][1]) for purl, told in mended.items()}
        items = tuple(_package_item(told, built[purl], newest[purl]) for purl, told in mended.items())
        upgrades = [Upgrade(package.purl, newest[purl]) for purl in mended for package in built[purl]]
        steps = _with_base(upgrade_steps(upgrades), group)
        yield Action(_inherited(_counted("Upgrade", mended), group), _FINDINGS, group[0].effect, items, steps)
    if others:
        items = tuple(_package_item(told, _built_together(case.facts, told[0][1]), "") for told in others.values())
        steps = _with_base(("remove what nobody has mended yet, or ask an admin for a waiver of the findings",), group)
        yield Action(_inherited(_counted("Do without", others), group), _FINDINGS, group[0].effect, items, steps)


def _built_together(facts: ImageFacts | None, finding: Finding) -> list[Package]:
    """The packages that a finding is about: where it speaks of a source package, all that were built from it."""
    package = facts.package(finding.purl) if facts else None
    if facts is None or package is None:
        return []
    if package.type not in _OF_SOURCES:
        return [package]
    source = (package.type, package.source_name, package.source_version)
    return [one for one in facts.packages if (one.type, one.source_name, one.source_version) == source]


def _counted(verb: str, of_package: Mapping[str, Sequence[tuple[Violation, Finding]]]) -> str:
    severities = Counter(finding.severity for told in of_package.values() for _, finding in told)
    total = sum(severities.values())
    worst_first = sorted(severities, key=lambda one: -one.rank)
    counts = (f"{severities[one]} {one}" if len(severities) > 1 else str(one) for one in worst_first)
    rated = ", ".join(counts)
    return f"{verb} {counted(len(of_package), 'package')}: {counted(total, 'finding')} ({rated})"


def _package_item(told: Sequence[tuple[Violation, Finding]], built: Sequence[Package], to: str) -> Item:
    violation, finding = told[0]
    names = ", ".join(dict.fromkeys(package.name for package in built)) or finding.package
    ids = ", ".join(_rated(finding) for _, finding in told)
    return Item(f"{names} {finding.version}{f' -> {to}' if to else ''}: {ids}", _layer(violation))


def _rated(finding: Finding) -> str:
    rating = "" if finding.severity is Severity.UNRATED else f" {finding.severity}"
    return f"{finding.name}{rating}{f' ({finding.uncertain})' if finding.uncertain else ''}"


def _newest(purl: str, findings: Iterable[Finding]) -> str:
    """The one version that mends all of them."""
    kind = type_of(purl)

    def by_age(one: str, other: str) -> int:
        try:
            return compare_packages(kind, one, other)
        except InvalidVersionError:
            return (one > other) - (one < other)

    return max((finding.fixed_version for finding in findings), key=cmp_to_key(by_age))


def _inherited(title: str, group: Sequence[Violation]) -> str:
    if not group[0].base:
        return title
    return f"{title} (from the base image {group[0].base})" if group[0].inherited else f"{title} (from your own build)"


def _with_base(steps: tuple[str, ...], group: Sequence[Violation]) -> tuple[str, ...]:
    if not (group[0].base and group[0].inherited):
        return steps
    return (f"build on a newer {group[0].base} without it (docker build --pull), or in your own build:", *steps)
