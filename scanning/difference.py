"""How two images differ: what the second has that the first has not, the other way round, and what changed between."""

from collections.abc import Iterable
from dataclasses import dataclass

from scanning.advisories.model import AdvisoryReport, Finding
from scanning.facts import ImageFacts, Package, Tool, Weakness


@dataclass(frozen=True, slots=True)
class Change:
    """Something that both images have, and not alike: the versions of a package, the user."""

    what: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Difference:
    """What one image has beyond another, and what changed. Every part is in a fixed order."""

    packages_added: tuple[Package, ...] = ()
    packages_removed: tuple[Package, ...] = ()
    packages_changed: tuple[Change, ...] = ()
    tools_added: tuple[Tool, ...] = ()
    tools_removed: tuple[Tool, ...] = ()
    weaknesses_added: tuple[Weakness, ...] = ()
    weaknesses_removed: tuple[Weakness, ...] = ()
    findings_added: tuple[Finding, ...] = ()
    findings_removed: tuple[Finding, ...] = ()
    configuration: tuple[Change, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether the images are alike in all that is compared."""
        return self == Difference()


def compare(before: tuple[ImageFacts, AdvisoryReport], after: tuple[ImageFacts, AdvisoryReport]) -> Difference:
    """How the second image differs from the first. Where a thing lies in the layers makes no difference."""
    (old, old_report), (new, new_report) = before, after
    old_packages, new_packages = _by_name(old.packages), _by_name(new.packages)
    only_old, only_new = old_packages.keys() - new_packages.keys(), new_packages.keys() - old_packages.keys()
    return Difference(
        packages_added=tuple(package for key in sorted(only_new) for package in new_packages[key]),
        packages_removed=tuple(package for key in sorted(only_old) for package in old_packages[key]),
        packages_changed=tuple(
            Change(f"{kind} {name}", _versions(old_packages[kind, name]), _versions(new_packages[kind, name]))
            for kind, name in sorted(old_packages.keys() & new_packages.keys())
            if _versions(old_packages[kind, name]) != _versions(new_packages[kind, name])
        ),
        tools_added=_without(new.tools, {(tool.name, tool.path) for tool in old.tools}),
        tools_removed=_without(old.tools, {(tool.name, tool.path) for tool in new.tools}),
        weaknesses_added=_lacking(new.weaknesses, old.weaknesses),
        weaknesses_removed=_lacking(old.weaknesses, new.weaknesses),
        findings_added=_unknown_to(new_report, old_report),
        findings_removed=_unknown_to(old_report, new_report),
        configuration=tuple(_settings(old, new)),
    )


def _by_name(packages: Iterable[Package]) -> dict[tuple[str, str], list[Package]]:
    found: dict[tuple[str, str], list[Package]] = {}
    for package in packages:
        found.setdefault((package.type, package.name), []).append(package)
    return found


def _versions(packages: Iterable[Package]) -> str:
    return ", ".join(sorted({package.version for package in packages}))


def _without(tools: Iterable[Tool], known: set[tuple[str, str]]) -> tuple[Tool, ...]:
    return tuple(tool for tool in tools if (tool.name, tool.path) not in known)


def _lacking(these: Iterable[Weakness], those: Iterable[Weakness]) -> tuple[Weakness, ...]:
    known = {(weakness.check, weakness.where, weakness.detail) for weakness in those}
    return tuple(one for one in these if (one.check, one.where, one.detail) not in known)


def _unknown_to(these: AdvisoryReport, those: AdvisoryReport) -> tuple[Finding, ...]:
    known = {(finding.name, finding.package) for finding in those.findings}
    return tuple(finding for finding in these.findings if (finding.name, finding.package) not in known)


def _settings(old: ImageFacts, new: ImageFacts) -> Iterable[Change]:
    release = [
        facts.distribution.pretty_name or facts.distribution.id if facts.distribution else "" for facts in (old, new)
    ]
    platform = [f"{facts.platform.os}/{facts.platform.architecture}" for facts in (old, new)]
    for what, before, after in (
        ("distribution", *release),
        ("platform", *platform),
        ("user", old.user, new.user),
        ("size", f"{old.size} bytes", f"{new.size} bytes"),
    ):
        if before != after:
            yield Change(what, before or "none", after or "none")
