"""Licences as a policy names them: by the ids of the SPDX licence list, or as LicenseRef- for what is not on it.

    MIT                                             one licence
    GPL-2.0-or-later                                GPL-2.0 and every later version
    GPL-2.0-only WITH Classpath-exception-2.0       with this exception; without WITH: with or without any
    AGPL-*                                          every licence of the list whose id begins so
    LicenseRef-public-domain                        a name that packages use and that is not on the list

"Or later" is no licence of its own but a choice among versions, so a name stands for the set of licences it covers.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import cache
from types import MappingProxyType
from typing import Any, ClassVar

from license_expression import (  # type: ignore[import-untyped]  # the library carries no types
    ExpressionError,
    get_spdx_licensing,
)

from config.errors import InvalidPatternError
from config.written import WrittenValue

UNLISTED = "LicenseRef-"
"""Begins the names of licences that are not on the SPDX licence list (SPDX 2.3, annex D)."""

_UNLISTED = re.compile(r"LicenseRef-[A-Za-z0-9.-]+")
_VERSIONED = re.compile(r"(?P<stem>.+)-(?P<version>[0-9]+(?:\.[0-9]+)*)(?P<tail>-only|-or-later|\+|)")
_RAISED = (ExpressionError, ValueError, TypeError, LookupError, AssertionError, RecursionError)
"""What license-expression raises of the texts that packages carry: `()` is an IndexError."""
_WITH = re.compile(r"\s+WITH\s+", re.IGNORECASE)


@cache
def licensing() -> Any:
    """The SPDX licence list, as license-expression reads it."""
    return get_spdx_licensing()


def expression_of(text: str, *, is_listed: bool = False) -> Any:
    """`text` as an expression of license-expression's; None if it is none, or with `is_listed` if a name in it is not
    on the SPDX licence list.
    """
    try:
        return licensing().parse(text, validate=is_listed, strict=is_listed)
    except _RAISED:
        return None


@cache
def _ids() -> tuple[Mapping[str, str], Mapping[str, str]]:
    """Licences and exceptions of the list, by their ids in lower case. Ids that SPDX has given up are no ids."""
    licences: dict[str, str] = {}
    exceptions: dict[str, str] = {}
    for key, symbol in licensing().known_symbols.items():
        if not key.startswith(UNLISTED):
            (exceptions if symbol.is_exception else licences)[key.lower()] = key
    return MappingProxyType(licences), MappingProxyType(exceptions)


@cache
def covered(licence: str) -> frozenset[str]:
    """The ids that `licence`, an id in any case, stands for: itself, or with `+` or `-or-later` that version and each
    later one. Empty if it is not on the list.
    """
    licences, _ = _ids()
    found = _VERSIONED.fullmatch(licence)
    if found is None or found["tail"] in ("", "-only"):
        known = licences.get(licence.lower()) or licences.get(f"{licence}-only".lower())
        return frozenset({known} if known else ())
    first, stem = _numbers(found["version"]), found["stem"].lower()
    versions = {
        key
        for key in licences.values()
        if (other := _VERSIONED.fullmatch(key))
        and other["stem"].lower() == stem
        and other["tail"] in ("", "-only")
        and _numbers(other["version"]) >= first
    }
    is_listed = any(_numbers(match["version"]) == first for key in versions if (match := _VERSIONED.fullmatch(key)))
    return frozenset(versions) if is_listed else frozenset()


def exception_id(name: str) -> str:
    """The id of a licence exception, given in any case; "" if it is not on the list."""
    return _ids()[1].get(name.lower(), "")


@dataclass(frozen=True, slots=True)
class LicenceName(WrittenValue):
    """One line of a policy's list. Raises `InvalidPatternError`.

    `covers` are licences by their ids, `exception` the id of an exception or "".
    """

    called: ClassVar[str] = "licence"
    longest: ClassVar[int] = 200

    covers: frozenset[str] = field(init=False, repr=False, compare=False)
    exception: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not 0 < len(self.text) <= self.longest:
            raise InvalidPatternError(f"the name of a licence has 1 to {self.longest} characters, not {len(self.text)}")
        licence, *exceptions = _WITH.split(self.text)
        if len(exceptions) > 1 or (exceptions and not exception_id(exceptions[0])):
            raise InvalidPatternError(f"in {self.text!r} no exception of the SPDX licence list follows WITH")
        covers = _matching(licence)
        if not covers:
            near = get_close_matches(licence, _ids()[0].values(), n=1)
            hint = f"did you mean {near[0]}?" if near else "see https://spdx.org/licenses/"
            raise InvalidPatternError(
                f"{self.text!r} is no licence of the SPDX licence list; {hint} What is not on the list is written"
                " LicenseRef-name"
            )
        object.__setattr__(self, "covers", covers)
        object.__setattr__(self, "exception", exception_id(exceptions[0]) if exceptions else "")


def _matching(name: str) -> frozenset[str]:
    if "*" in name:
        pattern = name.lower()
        found = (key for lower, key in _ids()[0].items() if fnmatchcase(lower, pattern))
        return frozenset[str]().union(*map(covered, found))
    return frozenset({name}) if _UNLISTED.fullmatch(name) else covered(name)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))
