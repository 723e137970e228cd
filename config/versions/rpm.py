"""RPM's version order (rpm-version(7)): `[epoch:]version[-release]`, each part compared as rpmvercmp does."""

import re

from univers.rpm import RpmVersion, compare_rpm_versions

from config.versions.errors import InvalidVersionError

_GRAMMAR = re.compile(r"(?:(?P<epoch>[0-9]{1,10}):)?(?P<version>[A-Za-z0-9._+~^]+)(?:-(?P<release>[A-Za-z0-9._+~^]+))?")


def _parsed(version: str) -> RpmVersion:
    match = _GRAMMAR.fullmatch(version)
    if match is None:
        raise InvalidVersionError(f"{version!r} is not an RPM version: [epoch:]version[-release]")
    return RpmVersion(int(match["epoch"] or "0"), match["version"], match["release"] or "")


def compare(one: str, other: str) -> int:
    """Order two RPM versions: -1, 0 or 1. Raises `InvalidVersionError` outside the grammar.

    A version without a release stands for every release of it, as in rpm's own dependencies.
    """
    left, right = _parsed(one), _parsed(other)
    if not (left.release and right.release):
        left, right = left._replace(release=""), right._replace(release="")
    return compare_rpm_versions(left, right)
