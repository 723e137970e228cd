"""Version order, one module per family of ecosystems, behind one port: `compare`."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from scanning.advisories.versions import apk, composer, cran, deb, maven, nuget, pypi, rpm, rubygems, semver
from scanning.advisories.versions.errors import InvalidVersionError

__all__ = ["ORDERED_ECOSYSTEMS", "InvalidVersionError", "compare"]

MAX_LENGTH = 512
"""The longest version that is read, in characters. Real ones stay under 100."""

_ORDERS: Mapping[str, Callable[[str, str], int]] = MappingProxyType(
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

ORDERED_ECOSYSTEMS = frozenset(_ORDERS)
"""The ecosystems, in OSV's words without the release, whose versions can be compared."""


def compare(ecosystem: str, one: str, other: str) -> int:
    """Order two versions of an ecosystem: -1, 0 or 1 as `one` is older than, equal to or newer than `other`.

    `ecosystem` is OSV's word without the release (`Debian`). Raises `InvalidVersionError` when either version
    cannot be read in that ecosystem's grammar, or when nothing is known of its order.
    """
    order = _ORDERS.get(ecosystem)
    if order is None:
        raise InvalidVersionError(f"nothing is known of the version order of {ecosystem}")
    for version in (one, other):
        if len(version) > MAX_LENGTH:
            raise InvalidVersionError(
                f"the version {version[:40]!r}… has {len(version)} characters; at most {MAX_LENGTH} are read"
            )
    return order(one, other)
