"""Alpine's version order (apk-package(5)): `1.2.3a_rc1_p2~commit-r4`.

Two versions are compared token by token while the kinds of token agree. Where they part, a pre-release
suffix is older than anything, and otherwise the version that goes on with the kind named first in `_Kind`
is the newer.
"""

import re
from collections.abc import Iterator
from enum import IntEnum
from itertools import zip_longest

from config.versions.errors import InvalidVersionError

_SUFFIXES = ("alpha", "beta", "pre", "rc", "", "cvs", "svn", "git", "hg", "p")
_RELEASE = _SUFFIXES.index("")
_SUFFIX = re.compile(rf"_({'|'.join(filter(None, _SUFFIXES))})([0-9]*)")
_GRAMMAR = re.compile(
    r"(?P<numbers>[0-9]+(?:\.[0-9]+)*)(?P<letter>[a-z]?)"
    rf"(?P<suffixes>(?:{_SUFFIX.pattern})*)(?:~(?P<commit>[0-9a-f]+))?(?:-r(?P<revision>[0-9]+))?"
)


class _Kind(IntEnum):
    FIRST = 0
    NUMBER = 1
    LETTER = 2
    SUFFIX = 3
    SUFFIX_NUMBER = 4
    COMMIT = 5
    REVISION = 6
    END = 7


_Token = tuple[_Kind, int | str]
_THE_END: _Token = (_Kind.END, 0)


def _tokens(version: str) -> Iterator[_Token]:
    match = _GRAMMAR.fullmatch(version)
    if match is None:
        raise InvalidVersionError(f"{version!r} is not an Alpine version: digits, a letter, _suffixes, ~commit, -rN")
    first, *numbers = match["numbers"].split(".")
    yield _Kind.FIRST, int(first)
    for number in numbers:
        yield _Kind.NUMBER, number
    if match["letter"]:
        yield _Kind.LETTER, match["letter"]
    for name, number in _SUFFIX.findall(match["suffixes"]):
        yield _Kind.SUFFIX, _SUFFIXES.index(name)
        if number:
            yield _Kind.SUFFIX_NUMBER, int(number)
    if match["commit"]:
        yield _Kind.COMMIT, match["commit"]
    if match["revision"]:
        yield _Kind.REVISION, int(match["revision"])


def _order(one: int | str, other: int | str) -> int:
    if isinstance(one, int) and isinstance(other, int):
        return (one > other) - (one < other)
    left, right = str(one), str(other)
    # As a decimal fraction: with a leading zero on either side the digits are compared as text.
    if left.isdigit() and right.isdigit() and not (left.startswith("0") or right.startswith("0")):
        return (int(left) > int(right)) - (int(left) < int(right))
    return (left > right) - (left < right)


def _parted(one: _Token, other: _Token) -> int:
    for (kind, value), sign in ((one, -1), (other, 1)):
        if kind is _Kind.SUFFIX and isinstance(value, int) and value < _RELEASE:
            return sign
    return 1 if one[0] < other[0] else -1


def compare(one: str, other: str) -> int:
    """Order two Alpine versions: -1, 0 or 1. Raises `InvalidVersionError` outside the grammar."""
    for left, right in zip_longest([*_tokens(one)], [*_tokens(other)], fillvalue=_THE_END):
        if left[0] is not right[0]:
            return _parted(left, right)
        if left[0] is _Kind.COMMIT:
            difference = (str(left[1]) > str(right[1])) - (str(left[1]) < str(right[1]))
        else:
            difference = _order(left[1], right[1])
        if difference:
            return difference
    return 0
