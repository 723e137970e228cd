"""Ranges of versions in the notation VERS (ECMA-427, "version range specifier"), ordered as the ecosystem orders them.

    >=3.0.15|<4             from 3.0.15 up to, not including, 4
    <2.0|>=2.3|!=2.5.1      before 2.0, or from 2.3 on, but never 2.5.1
    =1.4.2|=1.4.3           these two; a version without a comparator stands for = when there are several
    vers:deb/>=3.0.15|<4    the same as the first, written out for a Debian package

Constraints are a list along the order of versions, not a formula: a lower bound opens an interval, the next upper bound
closes it. Versions are percent-decoded.
"""

import re
from dataclasses import dataclass
from functools import cmp_to_key
from itertools import pairwise
from typing import Self
from urllib.parse import unquote

from config.errors import InvalidPatternError
from config.versions import ORDERED_TYPES, InvalidVersionError, compare_packages

_SCHEME = re.compile(r"vers:(?P<scheme>[a-z][a-z0-9.+-]*)/(?P<constraints>.*)", re.DOTALL)
_CONSTRAINT = re.compile(r"(?P<comparator>>=|<=|!=|>|<|=)?(?P<version>[^<>=!|*,\s]+)")
_LOWER = frozenset({">", ">="})
_UPPER = frozenset({"<", "<="})
_SCHEMES_OF = {"apk": ("apk", "alpine")}
"""Where VERS has another word for the order than purl has for the type."""


@dataclass(frozen=True, slots=True)
class _Constraint:
    comparator: str
    version: str


@dataclass(frozen=True, slots=True)
class VersionRange:
    """Versions of packages of one purl type."""

    type: str
    constraints: tuple[_Constraint, ...]
    """In the order of their versions."""

    @staticmethod
    def is_one(text: str) -> bool:
        """Whether `text`, a version as it is written in a pattern, means a range and not one version."""
        return text.startswith(("vers:", "<", ">", "=", "!")) or "|" in text

    @classmethod
    def parse(cls, text: str, type_: str) -> Self:
        """Read a range for packages of the purl type `type_`. Raises `InvalidPatternError`."""
        written = _SCHEME.fullmatch(text)
        if written and written["scheme"] not in _SCHEMES_OF.get(type_, (type_,)):
            raise InvalidPatternError(
                f"the range {text!r} orders versions as {written['scheme']} does, and the pattern is about {type_}"
            )
        if type_ not in ORDERED_TYPES:
            raise InvalidPatternError(
                f"nothing is known of the order of {type_} versions, so {text!r} cannot be compared; write versions"
                f" with * instead. Ordered are: {', '.join(sorted(ORDERED_TYPES))}"
            )
        parts = (written["constraints"] if written else text).split("|")
        constraints = [_constraint(part, text) for part in parts]
        try:
            for constraint in constraints:
                compare_packages(type_, constraint.version, constraint.version)
        except InvalidVersionError as error:
            raise InvalidPatternError(f"in the range {text!r}: {error}") from error
        return cls(type_, _in_order(constraints, type_, text))

    def holds(self, version: str) -> bool:
        """Whether `version` lies in the range. Raises `InvalidVersionError` if it cannot be compared."""
        places = [(one.comparator, compare_packages(self.type, version, one.version)) for one in self.constraints]
        named = next((comparator for comparator, place in places if place == 0), None)
        if named is not None:
            return named in ("=", "<=", ">=")
        bounds = [(comparator in _LOWER, place) for comparator, place in places if comparator in _LOWER | _UPPER]
        below = [is_lower for is_lower, place in bounds if place > 0]
        if not bounds:
            return all(comparator == "!=" for comparator, _ in places)
        # The bound just below opens an interval, or there is none and the first one above closes it.
        return below[-1] if below else not bounds[0][0]


def _constraint(part: str, text: str) -> _Constraint:
    found = _CONSTRAINT.fullmatch(part)
    if found is None:
        hint = "; separate constraints with | and not with a comma" if "," in text else ""
        raise InvalidPatternError(
            f"{part!r} in the range {text!r} is no constraint: a comparator (>=, >, <, <=, =, !=) and a version,"
            f" without spaces and wildcards, as in >=3.0.15|<4{hint}"
        )
    return _Constraint(found["comparator"] or "=", unquote(found["version"]))


def _in_order(constraints: list[_Constraint], type_: str, text: str) -> tuple[_Constraint, ...]:
    """`constraints` along the order of their versions. Raises `InvalidPatternError` if one of them says nothing."""

    def order(one: _Constraint, other: _Constraint) -> int:
        return compare_packages(type_, one.version, other.version)

    ordered = sorted(constraints, key=cmp_to_key(order))
    for one, other in pairwise(ordered):
        if order(one, other) == 0:
            raise InvalidPatternError(f"the range {text!r} names the version {one.version} twice")
    bounds = [one for one in ordered if one.comparator in _LOWER | _UPPER]
    for one, other in pairwise(bounds):
        if (one.comparator in _LOWER) == (other.comparator in _LOWER):
            raise InvalidPatternError(
                f"in the range {text!r} {other.comparator}{other.version} follows {one.comparator}{one.version}, so one"
                " of them says nothing: a lower bound opens an interval and the next upper bound closes it"
            )
    return tuple(ordered)
