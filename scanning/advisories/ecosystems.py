"""Which OSV ecosystem, and which release of it, speaks of a package.

Distributions are asked by source package, those of Red Hat's family by the package that was built. A derivative
(Kali, Raspbian, Mint) is not its parent: its packages carry other patches and versions, so the parent's advisories
say nothing certain of them.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from config.versions import bitnami
from scanning.advisories.osv import package_name
from scanning.facts import OsRelease, Package

Key = tuple[str, str]
"""An ecosystem without its release, and a package name: what advisories are fetched by."""

_LANGUAGES: Mapping[str, str] = MappingProxyType(
    {
        "bitnami": "Bitnami",
        "cargo": "crates.io",
        "composer": "Packagist",
        "cran": "CRAN",
        "gem": "RubyGems",
        "golang": "Go",
        "maven": "Maven",
        "npm": "npm",
        "nuget": "NuGet",
        "pypi": "PyPI",
    }
)
IGNORING_CASE = frozenset({"NuGet"})
"""Ecosystems that tell no names apart by large and small letters, and whose advisories spell them either way."""
_ROLLING: Mapping[str, str] = MappingProxyType({"chainguard": "Chainguard", "wolfi": "Wolfi"})
_ENTERPRISE: Mapping[str, str] = MappingProxyType({"almalinux": "AlmaLinux", "rocky": "Rocky Linux"})
_RED_HAT_REPOSITORIES = ("baseos", "appstream", "crb", "highavailability", "nfv", "realtime", "resilientstorage")
_RED_HAT_MINOR = re.compile(r"(enterprise_linux:[0-9]+)\.[0-9]+")
_ENTERPRISE_RELEASE = re.compile(r"([0-9]+)(?:\.[0-9]+)?")
_ALPINE_RELEASE = re.compile(r"([0-9]+\.[0-9]+)(?:\.[0-9]+)?")
_DEBIAN_RELEASE = re.compile(r"([0-9]+)(?:\.[0-9]+)?")
_UBUNTU_RELEASE = re.compile(r"[0-9]{2}\.[0-9]{2}")


@dataclass(frozen=True, slots=True)
class Subject:
    """What an advisory can speak of: a package as its ecosystem keys it.

    `releases` are the spellings under which OSV may know the release; empty where the ecosystem has none.
    """

    ecosystem: str
    releases: tuple[str, ...]
    name: str
    version: str

    @property
    def key(self) -> Key:
        """What its advisories are fetched by."""
        return self.ecosystem, self.name


def subject(package: Package, distribution: OsRelease | None) -> Subject | None:
    """What to ask the advisories about `package`; None where no ecosystem speaks of it."""
    if package.type == "maven" and ":" not in package.name:  # advisories know no package without its group
        return None
    language = _LANGUAGES.get(package.type)
    if language:
        version = bitnami.program_version(package.version) if package.type == "bitnami" else package.version
        return Subject(language, (), package_name(language, package.name), version)
    place = _distribution(package.type, distribution) if distribution else None
    if place is None:
        return None
    if package.type == "rpm":  # errata name the packages that were built, each with its own version
        return Subject(*place, package.name, package.version)
    return Subject(*place, package.source_name or package.name, package.source_version or package.version)


def release_asked(ecosystem: str, release: str) -> str:
    """How a `Subject` spells a release that an advisory names.

    Since its release 10 Red Hat names one with its minor release, and an image of any of them is asked as of the major
    one: what one minor release mends is open in the others, where their own advisories do not tell of it.
    """
    return _RED_HAT_MINOR.sub(r"\1", release) if ecosystem == "Red Hat" else release


def _distribution(kind: str, system: OsRelease) -> tuple[str, tuple[str, ...]] | None:
    match kind, system.id:
        case "deb", "debian":
            release = _DEBIAN_RELEASE.fullmatch(system.version_id)
            return ("Debian", (release[1],)) if release else None
        case "deb", "ubuntu":
            release = _UBUNTU_RELEASE.fullmatch(system.version_id)
            return ("Ubuntu", (release[0], f"{release[0]}:LTS")) if release else None
        case "apk", "alpine":
            release = _ALPINE_RELEASE.fullmatch(system.version_id)
            return ("Alpine", (f"v{release[1]}",)) if release else None
        case "apk", name if name in _ROLLING:
            return _ROLLING[name], ()
        case "rpm", name if name in _ENTERPRISE:
            release = _ENTERPRISE_RELEASE.fullmatch(system.version_id)
            return (_ENTERPRISE[name], (release[1],)) if release else None
        case "rpm", "rhel":
            release = _ENTERPRISE_RELEASE.fullmatch(system.version_id)
            return ("Red Hat", tuple(_red_hat_products(release[1]))) if release else None
        case _:
            return None


def _red_hat_products(release: str) -> Iterator[str]:
    """What follows the colon of OSV's `Red Hat:enterprise_linux:9::appstream` (the tail of a CPE)."""
    yield f"enterprise_linux:{release}"
    for repository in _RED_HAT_REPOSITORIES:
        yield f"enterprise_linux:{release}::{repository}"
