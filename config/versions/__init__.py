"""Version order, one module per family of ecosystems, behind two ports: `compare` for advisories, which name an
ecosystem, and `compare_packages` for packages, which have a purl type.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from config.versions import apk, bitnami, composer, cran, deb, maven, nuget, pypi, rpm, rubygems, semver
from config.versions.errors import InvalidVersionError

__all__ = ["ORDERED_ECOSYSTEMS", "ORDERED_TYPES", "InvalidVersionError", "compare", "compare_packages"]

MAX_LENGTH = 512
"""The longest version that is read, in characters. Real ones stay under 100."""

_Order = Callable[[str, str], int]

_ORDERS: Mapping[str, _Order] = MappingProxyType(
    {
        "AlmaLinux": rpm.compare,
        "Alpine": apk.compare,
        "Bitnami": semver.compare,
        "CRAN": cran.compare,
        "Chainguard": apk.compare,
        "Debian": deb.compare,
        "Go": semver.compare_go,
        "Maven": maven.compare,
        "NuGet": nuget.compare,
        "Packagist": composer.compare,
        "PyPI": pypi.compare,
        "Red Hat": rpm.compare,
        "Rocky Linux": rpm.compare,
        "RubyGems": rubygems.compare,
        "Ubuntu": deb.compare,
        "Wolfi": apk.compare,
        "crates.io": semver.compare,
        "npm": semver.compare,
    }
)

_TYPES: Mapping[str, _Order] = MappingProxyType(
    {
        "apk": apk.compare,
        "bitnami": bitnami.compare,
        "cargo": semver.compare,
        "composer": composer.compare,
        "cran": cran.compare,
        "deb": deb.compare,
        "gem": rubygems.compare,
        "golang": semver.compare_go,
        "maven": maven.compare,
        "npm": semver.compare,
        "nuget": nuget.compare,
        "pypi": pypi.compare,
        "rpm": rpm.compare,
    }
)

ORDERED_ECOSYSTEMS = frozenset(_ORDERS)
"""The ecosystems, in OSV's words without the release, whose versions can be compared."""

ORDERED_TYPES = frozenset(_TYPES)
"""The purl types whose versions can be compared."""


def compare(ecosystem: str, one: str, other: str) -> int:
    """Order two versions of an ecosystem: -1, 0 or 1 as `one` is older than, equal to or newer than `other`.

    `ecosystem` is OSV's word without the release (`Debian`). Raises `InvalidVersionError` when either version
    cannot be read in that ecosystem's grammar, or when nothing is known of its order.
    """
    return _compare(_ORDERS.get(ecosystem), ecosystem, one, other)


def compare_packages(purl_type: str, one: str, other: str) -> int:
    """Order two versions of packages of a purl type, an rpm's with its epoch; else as `compare` does."""
    return _compare(_TYPES.get(purl_type), purl_type, one, other)


def _compare(order: _Order | None, of: str, one: str, other: str) -> int:
    if order is None:
        raise InvalidVersionError(f"nothing is known of the version order of {of}")
    for version in (one, other):
        if len(version) > MAX_LENGTH:
            raise InvalidVersionError(
                f"the version {version[:40]!r}… has {len(version)} characters; at most {MAX_LENGTH} are read"
            )
    return order(one, other)
