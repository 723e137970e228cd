"""Semantic versioning 2.0.0, and Go's ways of writing it.

One and two numbers (`1`, `1.2`) are read as `1.0.0` and `1.2.0`, as advisories write them. Build metadata
does not count (section 10), pre-releases sort as section 11 says.
"""

import re

from config.versions.errors import InvalidVersionError

_GRAMMAR = re.compile(
    r"(?P<major>[0-9]+)(?:\.(?P<minor>[0-9]+)(?:\.(?P<patch>[0-9]+))?)?"
    r"(?:-(?P<pre>[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+[0-9A-Za-z.-]+)?"
)
_GO_RELEASE = re.compile(r"go(?P<numbers>[0-9]+(?:\.[0-9]+){0,2})(?P<pre>(?:rc|beta|alpha)[0-9]+)?")

_Identifier = tuple[int, int, str]
_Key = tuple[int, int, int, bool, tuple[_Identifier, ...]]


def _identifier(text: str) -> _Identifier:
    # Section 11.4.3: numeric identifiers sort before alphanumeric ones.
    return (0, int(text), "") if text.isdigit() else (1, 0, text)


def prerelease(text: str) -> tuple[bool, tuple[_Identifier, ...]]:
    """A key for the dotted identifiers of a pre-release, "" for a release, which sorts after all of its own."""
    return not text, tuple(map(_identifier, text.split("."))) if text else ()


def _key(version: str) -> _Key:
    match = _GRAMMAR.fullmatch(version)
    if match is None:
        raise InvalidVersionError(f"{version!r} is not a semantic version: major.minor.patch[-pre][+build]")
    return (
        int(match["major"]),
        int(match["minor"] or "0"),
        int(match["patch"] or "0"),
        *prerelease(match["pre"] or ""),
    )


def compare(one: str, other: str) -> int:
    """Order two semantic versions: -1, 0 or 1. Raises `InvalidVersionError` outside the grammar."""
    left, right = _key(one), _key(other)
    return (left > right) - (left < right)


def _from_go(version: str) -> str:
    """Modules write `v1.2.3`, the tool chain `go1.21rc2`, the Go vulnerability database `1.2.3`."""
    release = _GO_RELEASE.fullmatch(version)
    if release:
        return f"{release['numbers']}-{release['pre']}" if release["pre"] else release["numbers"]
    return version.removeprefix("v")


def compare_go(one: str, other: str) -> int:
    """Order two versions of Go modules or of Go itself: -1, 0 or 1. Raises `InvalidVersionError`."""
    return compare(_from_go(one), _from_go(other))
