"""Composer's version order ("Versions and constraints"): one to four numbers and how stable they are.

dev < alpha < beta < RC < (stable) < patch; a branch (`dev-main`) has no place in the order.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType

from config.versions.errors import InvalidVersionError

_STABILITIES: Mapping[str, int] = MappingProxyType(
    {
        "dev": 0,
        **dict.fromkeys(("alpha", "a"), 1),
        **dict.fromkeys(("beta", "b"), 2),
        "rc": 3,
        **dict.fromkeys(("", "stable"), 4),
        **dict.fromkeys(("patch", "pl", "p"), 5),
    }
)
_GRAMMAR = re.compile(
    r"v?(?P<numbers>[0-9]+(?:\.[0-9]+){0,3})"
    r"(?:[._-]?(?P<word>stable|alpha|a|beta|b|rc|patch|pl|p)(?P<number>(?:[.-]?[0-9]++)*+))?"
    r"(?P<dev>[.-]?dev)?(?:\+[^\s]+)?",
    re.IGNORECASE | re.ASCII,  # else a long s (U+017F) would be an s
)


def compare(one: str, other: str) -> int:
    """Order two versions of a Composer package: -1, 0 or 1. Raises `InvalidVersionError` outside the grammar."""
    left, right = _key(one), _key(other)
    return (left > right) - (left < right)


def _key(version: str) -> tuple[tuple[int, ...], int, tuple[int, ...], bool]:
    match = _GRAMMAR.fullmatch(version)
    if match is None:
        raise InvalidVersionError(f"{version!r} is not a Composer version: up to four numbers[-stability[number]]")
    numbers = [int(number) for number in match["numbers"].split(".")]
    word = (match["word"] or "").lower()
    counted = tuple(int(number) for number in re.findall(r"[0-9]+", match["number"] or ""))
    is_dev = match["dev"] is not None
    stability = _STABILITIES["dev"] if is_dev and not word else _STABILITIES[word]
    return (*numbers, *[0] * (4 - len(numbers))), stability, counted, not is_dev
