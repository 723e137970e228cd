"""Whether os-release(5) says what is installed.

Advisories are matched with the release that it names, so whoever writes another there has an old image compared with
fixes of a release that it is not. Each distribution has a package that brings this file and bears its release:

    base-files          Debian 12.4+deb12u11, Ubuntu 13ubuntu10.2
    alpine-release      3.20.3-r0
    almalinux-release   9.4-1.el9, and likewise those of its kin

Asked is only where os-release names a distribution of these: derivatives bring the packages of their parent and say
their own name, with which no advisory of the parent is matched.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from scanning.facts import OsRelease, Package

_BASE_FILES = "base-files"
_OF_UBUNTU = "ubuntu"
_RELEASES: Mapping[tuple[str, str], tuple[str, int]] = MappingProxyType(
    {
        ("apk", "alpine-release"): ("alpine", 2),
        ("apk", "wolfi-baselayout"): ("wolfi", 0),
        ("apk", "chainguard-baselayout"): ("wolfi", 0),
        ("rpm", "almalinux-release"): ("almalinux", 1),
        ("rpm", "rocky-release"): ("rocky", 1),
        ("rpm", "redhat-release"): ("rhel", 1),
    }
)
"""Whose packages these are, and how many numbers of their version are those of the release."""
_KIN: Mapping[str, str] = MappingProxyType({"chainguard": "wolfi"})
"""Distributions of the same makers, whose images mix packages of both."""
_NAMES = frozenset({"debian", "ubuntu", *(name for name, _ in _RELEASES.values()), *_KIN})
_NUMBERS = re.compile(r"[0-9]+(?:\.[0-9]+)*")


@dataclass(frozen=True, slots=True)
class Contradiction:
    """os-release says that it is `claimed`, a `package` that it is `actual`."""

    package: Package
    claimed: str
    actual: str


def contradicted(system: OsRelease | None, packages: Iterable[Package]) -> Contradiction | None:
    """What is installed of another release than `system` is; None where nothing is, or nothing tells."""
    if system is None or system.id not in _NAMES:
        return None
    told = [(package, release) for package in packages if (release := _release(package)) is not None]
    if any(_agrees(system, *release) for _, release in told):
        return None
    claimed = f"{system.id} {system.version_id}".strip()
    return next((Contradiction(package, claimed, " ".join(release).strip()) for package, release in told), None)


def _release(package: Package) -> tuple[str, str] | None:
    """Distribution and release that a package bears, the latter "" where it bears none; None if it is no such."""
    if (package.type, package.name) == ("deb", _BASE_FILES):
        if _OF_UBUNTU in package.version:
            return "ubuntu", ""
        return "debian", _numbers(package.version, 1)
    found = _RELEASES.get((package.type, package.name))
    return (found[0], _numbers(package.version, found[1])) if found else None


def _agrees(system: OsRelease, name: str, release: str) -> bool:
    if _KIN.get(system.id, system.id) != name:
        return False
    return not release or not system.version_id or _numbers(system.version_id, release.count(".") + 1) == release


def _numbers(version: str, count: int) -> str:
    """The first numbers of a version, an epoch left out."""
    found = _NUMBERS.match(version.partition(":")[2] or version)
    return ".".join(found[0].split(".")[:count]) if found and count else ""
