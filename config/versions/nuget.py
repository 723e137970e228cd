"""NuGet's version order ("Package versioning"): one to four numbers, then a pre-release as in SemVer 2.0.0.

Unlike there, letters count the same in both cases, and leading zeros do not count.
"""

import re

from config.versions.errors import InvalidVersionError
from config.versions.semver import prerelease

_GRAMMAR = re.compile(
    r"(?P<numbers>[0-9]+(?:\.[0-9]+){0,3})(?:-(?P<pre>[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+[0-9A-Za-z.-]+)?"
)


def compare(one: str, other: str) -> int:
    """Order two versions of a NuGet package: -1, 0 or 1. Raises `InvalidVersionError` outside the grammar."""
    left, right = _key(one), _key(other)
    return (left > right) - (left < right)


def _key(version: str) -> tuple[object, ...]:
    match = _GRAMMAR.fullmatch(version)
    if match is None:
        raise InvalidVersionError(f"{version!r} is not a NuGet version: up to four numbers[-pre][+build]")
    numbers = [int(number) for number in match["numbers"].split(".")]
    return (*numbers, *[0] * (4 - len(numbers)), *prerelease((match["pre"] or "").lower()))
