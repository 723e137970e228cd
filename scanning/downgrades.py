"""Packages that go back to older versions than a tag has had.

For each platform of a tag the newest version of every package is remembered that an image admitted under it held. A
package that was left out for a while still counts, so that nobody gets back to an old version in two steps; pushing
an old image again is such a step as well. Only what somebody accepted lets the remembered version go back.

A platform that the tag has not had yet is compared with all of them: it is the image itself that says which one it is
for, and clients run an image that is not for theirs.

Packages are told by type, namespace and name. Where an image holds several versions of one, the newest counts.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cmp_to_key

from config.versions import ORDERED_TYPES, InvalidVersionError, compare_packages
from scanning.facts import ImageFacts, Package
from scanning.packages.purl import type_of


@dataclass(frozen=True, slots=True)
class PlatformPackages:
    """Of one platform, the newest version of each package by its purl without a version, in that order."""

    platform: str
    versions: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class FormerPackages:
    """What the images admitted under one tag held, in the order of their platforms."""

    tag: str
    platforms: tuple[PlatformPackages, ...] = ()

    def of(self, platform: str) -> dict[str, str]:
        """The versions of one platform, by purl without a version."""
        return next((dict(known.versions) for known in self.platforms if known.platform == platform), {})


class Doubt(StrEnum):
    """Why a changed version is no newer one."""

    OLDER = "older"
    UNREADABLE = "unreadable"
    """It cannot be read in the grammar of its ecosystem."""
    UNORDERED = "unordered"
    """Nothing is known of the order of such versions."""


@dataclass(frozen=True, slots=True)
class Regression:
    """A package of an image that is not known to be as new as the tag has had it (`before`)."""

    package: Package
    before: str
    doubt: Doubt

    def __str__(self) -> str:
        return f"{self.package.name} {self.before} -> {self.package.version}"


def regressions(facts: ImageFacts, former: FormerPackages) -> Iterator[Regression]:
    """The packages of an image that go back, or may, in the order of their names."""
    known = former.of(str(facts.platform)) or _of_all(former)
    for name, package in sorted(_newest(facts).items()):
        before = known.get(name)
        doubt = None if before is None else _doubt(package, before)
        if before is not None and doubt is not None:
            yield Regression(package, before, doubt)


def remember(former: FormerPackages, facts: ImageFacts, accepted: Callable[[Package], bool]) -> FormerPackages:
    """What a tag has had once an image is admitted under it. What was `accepted` is remembered though it goes back."""
    platform = str(facts.platform)
    versions = former.of(platform)
    for name, package in _newest(facts).items():
        doubt = _doubt(package, versions[name]) if name in versions else None
        if doubt in (None, Doubt.UNORDERED) or accepted(package):
            versions[name] = package.version
    others = [known for known in former.platforms if known.platform != platform]
    updated = PlatformPackages(platform, tuple(sorted(versions.items())))
    return FormerPackages(former.tag, tuple(sorted((*others, updated), key=lambda known: known.platform)))


def _of_all(former: FormerPackages) -> dict[str, str]:
    """The newest version of each package, whatever the platform."""
    found: dict[str, str] = {}
    for platform in former.platforms:
        for name, version in platform.versions:
            kind = type_of(name)
            if name not in found or _order(kind, version, found[name]) > 0:
                found[name] = version
    return found


def _newest(facts: ImageFacts) -> dict[str, Package]:
    """One package for each name: the one whose version is the newest."""
    found: dict[str, list[Package]] = {}
    for package in facts.packages:
        found.setdefault(_unversioned(package.purl), []).append(package)
    return {name: max(packages, key=cmp_to_key(_by_age)) for name, packages in found.items()}


def _by_age(one: Package, other: Package) -> int:
    return _order(one.type, one.version, other.version)


def _order(kind: str, one: str, other: str) -> int:
    """Versions that cannot be read count as older than all others, among themselves by their letters."""
    readable = _is_readable(kind, one), _is_readable(kind, other)
    if all(readable):
        return compare_packages(kind, one, other)
    if any(readable):
        return 1 if readable[0] else -1
    return (one > other) - (one < other)


def _doubt(package: Package, before: str) -> Doubt | None:
    if package.version == before:
        return None
    if package.type not in ORDERED_TYPES:
        return Doubt.UNORDERED
    if not _is_readable(package.type, before):
        return None  # whatever can be read is better known than that
    try:
        return Doubt.OLDER if compare_packages(package.type, package.version, before) < 0 else None
    except InvalidVersionError:
        return Doubt.UNREADABLE


def _is_readable(kind: str, version: str) -> bool:
    try:
        return compare_packages(kind, version, version) == 0
    except InvalidVersionError:
        return False


def _unversioned(purl: str) -> str:
    name, at, _ = purl.partition("#")[0].partition("?")[0].rpartition("@")
    return name if at else purl
