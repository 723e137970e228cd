"""Whether the licences of a package leave a choice that a policy permits.

What a package says is an SPDX licence expression (SPDX 2.3, annex D), or a name its ecosystem uses. `A OR B` leaves a
choice, `A AND B` none, `A-or-later` one among versions. Several statements hold together: each is about other files.
A name that is not on the SPDX licence list becomes `LicenseRef-name`, by which a policy can speak of it.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from license_expression import LicenseWithExceptionSymbol  # type: ignore[import-untyped]  # it carries no types

from config.licences import UNLISTED, LicenceName, covered, exception_id, expression_of

_MAX_LENGTH = 2000
_MAX_NAME = 80
_FOREIGN = re.compile(r"[^A-Za-z0-9.-]+")
_GNU = re.compile(r"(?P<name>A?GPL|LGPL)v(?P<version>[0-9](?:\.[0-9])?)(?P<later>\+?)")
_NAMES = MappingProxyType(
    {
        "apache": "Apache-2.0",
        "apache 2": "Apache-2.0",
        "apache 2.0": "Apache-2.0",
        "apache license 2.0": "Apache-2.0",
        "apache license, version 2.0": "Apache-2.0",
        "apache license version 2.0": "Apache-2.0",
        "apache software license 2.0": "Apache-2.0",
        "apache-2": "Apache-2.0",
        "asl 2.0": "Apache-2.0",
        "expat": "MIT",
        "isc license": "ISC",
        "mit license": "MIT",
        "the mit license": "MIT",
        "mplv1.1": "MPL-1.1",
        "mplv2.0": "MPL-2.0",
        "mpl 2.0": "MPL-2.0",
        "new bsd license": "BSD-3-Clause",
        "3-clause bsd license": "BSD-3-Clause",
        "bsd 3-clause": "BSD-3-Clause",
        "bsd 2-clause": "BSD-2-Clause",
        "bsd-3-clause license": "BSD-3-Clause",
        "psf": "PSF-2.0",
        "python software foundation license": "PSF-2.0",
        "zlib/libpng": "Zlib",
    }
)
"""What packages call licences that are told apart by these words. `BSD` alone is none: it says not which."""


@dataclass(frozen=True, slots=True)
class Term:
    """One licence of an expression: any of `choices` will do. `exception` is that which follows WITH, or ""."""

    choices: frozenset[str]
    exception: str = ""

    @property
    def is_listed(self) -> bool:
        """Whether it is on the SPDX licence list."""
        return not any(choice.startswith(UNLISTED) for choice in self.choices)


Permits = Callable[[Term], bool]
"""Whether a licence will do."""


def allows(allowed: Iterable[LicenceName], *, unknown: bool) -> Permits:
    """Permits the named licences; with `unknown`, also those that are not on the SPDX licence list."""
    names = tuple(allowed)

    def permits(term: Term) -> bool:
        if unknown and not term.is_listed:
            return True
        return any(name.covers & term.choices and name.exception in ("", term.exception) for name in names)

    return permits


def forbids(denied: Iterable[LicenceName], *, unknown: bool) -> Permits:
    """Permits all but the named licences; with `unknown`, also not those that are not on the SPDX licence list."""
    names = tuple(denied)

    def permits(term: Term) -> bool:
        if unknown and not term.is_listed:
            return False
        counted = (name.covers for name in names if name.exception in ("", term.exception))
        return bool(term.choices - frozenset[str]().union(*counted))

    return permits


def permitted(licences: Sequence[str], permits: Permits) -> bool:
    """Whether a package with these licences can be used under licences that `permits` accepts."""
    return all(_satisfiable(_parsed(text), permits) for text in licences)


def names(licences: Sequence[str]) -> str:
    """The licences of a package for people, as the policy would name them."""
    return "; ".join(dict.fromkeys(_written(_parsed(text)) for text in licences))


def _satisfiable(node: Any, permits: Permits) -> bool:
    if isinstance(node, Term):
        return permits(node)
    operator, parts = node
    return (all if operator == "AND" else any)(_satisfiable(part, permits) for part in parts)


def _written(node: Any) -> str:
    if isinstance(node, Term):
        name = " or ".join(sorted(node.choices))
        return f"{name} WITH {node.exception}" if node.exception else name
    operator, parts = node
    written = (_written(part) if isinstance(part, Term) else f"({_written(part)})" for part in parts)
    return f" {operator} ".join(written)


@lru_cache(maxsize=4096)
def _parsed(text: str) -> Any:
    """A `Term`, or an operator with its operands."""
    text = text.strip()
    known = _choices(text)
    if known:
        return Term(known)
    either = [_choices(part) for part in text.split("/")]
    if all(either):  # as crates were written before they had expressions: MIT/Apache-2.0
        return "OR", tuple(map(Term, either))
    if len(text) > _MAX_LENGTH:
        return _unlisted(text)
    expression = expression_of(text)
    return _unlisted(text) if expression is None else _node(expression)


def _node(expression: Any) -> Any:
    if isinstance(expression, LicenseWithExceptionSymbol):
        licence, exception = expression.license_symbol.key, expression.exception_symbol.key
        term = _node(expression.license_symbol)
        if not term.is_listed or not exception_id(exception):
            return _unlisted(f"{licence} WITH {exception}")
        return Term(term.choices, exception_id(exception))
    operator = getattr(expression, "operator", "").strip()
    if operator:
        return operator, tuple(map(_node, expression.args))
    choices = _choices(expression.key)
    return Term(choices) if choices else _unlisted(expression.key)


def _choices(name: str) -> frozenset[str]:
    """The listed licences that a single name means; empty if it is none."""
    gnu = _GNU.fullmatch(name)
    if gnu:
        version = gnu["version"] if "." in gnu["version"] else f"{gnu['version']}.0"
        return covered(f"{gnu['name']}-{version}{'-or-later' if gnu['later'] else '-only'}")
    return covered(_NAMES.get(name.lower(), name))


def _unlisted(name: str) -> Term:
    if name.startswith(UNLISTED):
        return Term(frozenset({name}))
    return Term(frozenset({f"{UNLISTED}{_FOREIGN.sub('-', name[:_MAX_NAME]).strip('-') or 'unnamed'}"}))
