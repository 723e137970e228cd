"""Debian's version order (deb-version(7)): `[epoch:]upstream[-revision]`.

Every part is turned into a key: runs of other characters and of digits in turn, where `~` sorts before the
end of the part, the end before letters, and letters before everything else.
"""

import re

from config.versions.errors import InvalidVersionError

_GRAMMAR = re.compile(
    # A colon may stand in the upstream part only after an epoch, a hyphen only before a revision.
    r"(?:(?P<epoch>[0-9]+):(?P<upstream>[A-Za-z0-9.+~:-]+?)|(?P<plain>[A-Za-z0-9.+~-]+?))"
    r"(?:-(?P<revision>[A-Za-z0-9.+~]+))?"
)
_RUNS = re.compile(r"([^0-9]*)([0-9]*)")
_END_OF_RUN = 0
_MAX_EPOCH = 2**31 - 1

_Part = tuple[tuple[tuple[int, ...], int], ...]


def _weight(character: str) -> int:
    if character == "~":
        return _END_OF_RUN - 1
    return ord(character) if character.isalpha() else ord(character) + 256


def _part(text: str) -> _Part:
    return tuple(((*map(_weight, other), _END_OF_RUN), int(digits or "0")) for other, digits in _RUNS.findall(text))


def _key(version: str) -> tuple[int, _Part, _Part]:
    match = _GRAMMAR.fullmatch(version)
    if match is None:
        raise InvalidVersionError(f"{version!r} is not a Debian version: [epoch:]upstream[-revision]")
    upstream = match["upstream"] or match["plain"]
    if match["revision"] is None and "-" in upstream:
        raise InvalidVersionError(f"{version!r} is not a Debian version: its revision is empty")
    epoch = int(match["epoch"] or "0")
    if epoch > _MAX_EPOCH:
        raise InvalidVersionError(f"{version!r} is not a Debian version: its epoch is above {_MAX_EPOCH}")
    # An absent revision equals 0 (deb-version(7)).
    return epoch, _part(upstream), _part(match["revision"] or "0")


def compare(one: str, other: str) -> int:
    """Order two Debian versions: -1, 0 or 1. Raises `InvalidVersionError` for what dpkg refuses too."""
    left, right = _key(one), _key(other)
    return (left > right) - (left < right)
