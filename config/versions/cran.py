"""R's version order ("Writing R Extensions", section 1.1.1): numbers between dots and hyphens."""

import re

from config.versions.errors import InvalidVersionError

_GRAMMAR = re.compile(r"[0-9]+(?:[.-][0-9]+)*")


def compare(one: str, other: str) -> int:
    """Order two versions of an R package: -1, 0 or 1. Raises `InvalidVersionError` outside the grammar."""
    left, right = _key(one), _key(other)
    return (left > right) - (left < right)


def _key(version: str) -> tuple[int, ...]:
    if _GRAMMAR.fullmatch(version) is None:
        raise InvalidVersionError(f"{version!r} is not a version of an R package: numbers between dots and hyphens")
    return tuple(int(number) for number in re.split(r"[.-]", version))
