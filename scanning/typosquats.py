"""Names that are easily taken for those of well-known packages, as requestes for requests.

    scanning/names/TYPE.txt     the names that are imitated, and after `=` real packages whose names happen to be near
    names of the policy         imitated as well; one's own packages, for instance

Two names are near when they are the same without separators or without repeated letters, or when few edits lead from
one to the other (optimal string alignment): one character inserted, left out, replaced or swapped with its neighbour,
two in long names. In short names every edit gives another real one, so only the first counts there.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from itertools import combinations

_SEPARATORS = re.compile(r"[-_./@:]+")
_REPEATED = re.compile(r"(.)\1+")
_SHORTEST = 5
"""Letters of an imitated name from which one edit counts, without separators."""
_LONG = 12
"""Letters from which two do ..."""
_LONGEST = 24
"""... and characters up to which: longer ones come in families, and have too many variants."""
_MAX_LENGTH = 64
"""Longer names are compared with none."""
_SHIPPED = frozenset({"npm", "pypi"})


@dataclass(frozen=True, slots=True)
class Names:
    """The well-known names of one purl type, with those of the policy."""

    imitated: frozenset[str]
    real: frozenset[str]
    variants: Mapping[str, tuple[str, ...]]

    def knows(self, name: str) -> bool:
        """Whether `name` is well known itself."""
        return name.lower() in self.imitated or name.lower() in self.real

    def resembled(self, name: str) -> str:
        """The well-known name that `name` is likely taken for; "" if none, or if it is well known itself."""
        name = name.lower()
        if self.knows(name) or len(name) > _MAX_LENGTH:
            return ""
        near = {target for variant in {*_variants(name), _key(name)} for target in self.variants.get(variant, ())}
        close = [(distance, target) for target in near if (distance := _distance(name, target)) is not None]
        return min(close)[1] if close else ""


@cache
def names_of(purl_type: str, further: frozenset[str]) -> Names:
    """The names of a purl type. `further` are imitated names besides those that are shipped, as purls spell them."""
    imitated, real = _shipped(purl_type)
    imitated |= {name.lower() for name in further}
    variants: dict[str, list[str]] = {}
    for name in sorted(imitated):
        for variant in {*_variants(name), _key(name)}:
            variants.setdefault(variant, []).append(name)
    return Names(imitated, real, {variant: tuple(targets) for variant, targets in variants.items()})


def _shipped(purl_type: str) -> tuple[frozenset[str], frozenset[str]]:
    if purl_type not in _SHIPPED:
        return frozenset(), frozenset()
    lines = resources.files("scanning").joinpath("names", f"{purl_type}.txt").read_text(encoding="utf-8").splitlines()
    names = [line for line in lines if line and not line.startswith("#")]
    real = frozenset(name.removeprefix("=") for name in names if name.startswith("="))
    return frozenset(name for name in names if not name.startswith("=")), real


def _key(name: str) -> str:
    """The same for names that differ only in separators or repeated letters."""
    return "=" + _REPEATED.sub(r"\1", _SEPARATORS.sub("", name))


def _edits(name: str) -> int:
    """How many edits of an imitated name count."""
    letters = len(_SEPARATORS.sub("", name))
    return (letters >= _SHORTEST) + (letters >= _LONG and len(name) <= _LONGEST)


def _variants(name: str) -> Iterator[str]:
    """`name`, and what is left of it without one or two characters: near names have one of these in common."""
    for gone in range(min(_edits(name), len(name)) + 1):
        for kept in combinations(name, len(name) - gone):
            yield "".join(kept)


def _distance(name: str, target: str) -> int | None:
    """How near two names are, None if they are not near."""
    if _key(name) == _key(target):
        return 0
    edits = edit_distance(name, target)
    return edits if edits <= _edits(target) else None


def edit_distance(one: str, other: str) -> int:
    """Optimal string alignment: insertions, deletions, replacements and swaps, no character edited twice."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, left in enumerate(one, start=1):
        before, above, row = row, before, [i]
        for j, right in enumerate(other, start=1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (left != right))
            if i > 1 and j > 1 and left == other[j - 2] and one[i - 2] == right:
                cost = min(cost, above[j - 2] + 1)
            row.append(cost)
    return row[-1]
