"""Whether an advisory's ranges and versions take in an installed version (OSV schema, section Evaluation)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cmp_to_key, partial

from config.versions import InvalidVersionError, compare
from scanning.advisories.osv import Affected, Bound, Event

_BEFORE_ALL = "0"
# At one version a fix comes before a new introduction, and both before the end of what is affected.
_TIES = {Bound.LIMIT: 0, Bound.FIXED: 1, Bound.INTRODUCED: 2, Bound.LAST_AFFECTED: 3}


@dataclass(frozen=True, slots=True)
class Hit:
    """An installed version is affected. `fixed` is the version to go to ("" where none is known).

    `uncertain` says why it counts although it could not be worked out; `fixed` is then the last fix named.
    """

    fixed: str = ""
    uncertain: str = ""


def evaluate(version: str, affected: Affected) -> Hit | None:
    """Whether `version` is affected; None if it is certainly not.

    A version, installed or in the advisory, that cannot be ordered gives an uncertain hit, never None; so
    does an advisory that names neither versions nor ranges.
    """
    doubts: list[str] = []
    fixes: list[str] = []
    for events in affected.ranges:
        try:
            fix = _fix_if_within(version, events, affected.ecosystem)
        except InvalidVersionError as error:
            doubts.append(str(error))
            continue
        if fix is not None:
            fixes.append(fix)
    if fixes:
        return Hit(fixed=newest(affected.ecosystem, fixes))
    if version in affected.versions or _equals_one(version, affected):
        return Hit(fixed=_fix_after(version, affected))
    if not affected.ranges:
        doubts += _doubts_without_ranges(version, affected)
    return Hit(fixed=_last_fix(affected), uncertain=doubts[0]) if doubts else None


def newest(ecosystem: str, versions: Iterable[str]) -> str:
    """The newest of several versions, "" of none; where one cannot be ordered, the last."""
    found = [version for version in versions if version]
    try:
        return max(found, key=cmp_to_key(partial(compare, ecosystem)), default="")
    except InvalidVersionError:
        return found[-1]


def _fix_if_within(version: str, events: Sequence[Event], ecosystem: str) -> str | None:
    """The fix that closes the interval `version` lies in, "" if it stays open; None if it lies in none."""

    def order(one: str, other: str) -> int:
        if _BEFORE_ALL in (one, other):
            return (one != _BEFORE_ALL) - (other != _BEFORE_ALL)
        return compare(ecosystem, one, other)

    def order_events(one: Event, other: Event) -> int:
        return order(one.version, other.version) or _TIES[one.bound] - _TIES[other.bound]

    compare(ecosystem, version, version)
    limits = [event.version for event in events if event.bound is Bound.LIMIT and event.version != "*"]
    if limits and not any(order(version, limit) < 0 for limit in limits):
        return None
    vulnerable = False
    ordered = sorted((event for event in events if event.bound is not Bound.LIMIT), key=cmp_to_key(order_events))
    for event in ordered:
        position = order(version, event.version)
        if event.bound is Bound.INTRODUCED and position >= 0:
            vulnerable = True
        elif (event.bound is Bound.FIXED and position >= 0) or (event.bound is Bound.LAST_AFFECTED and position > 0):
            vulnerable = False
    if not vulnerable:
        return None
    later = (e.version for e in ordered if e.bound is Bound.FIXED and order(e.version, version) > 0)
    return next(later, "")


def _equals_one(version: str, affected: Affected) -> bool:
    """Whether one of the listed versions is the same one, otherwise written (PyPI: 1.0 and 1.0.0)."""
    for listed in affected.versions:
        try:
            if compare(affected.ecosystem, version, listed) == 0:
                return True
        except InvalidVersionError:
            continue  # This listed version can only be equal as text, and is not.
    return False


def _doubts_without_ranges(version: str, affected: Affected) -> list[str]:
    if not affected.versions:
        return ["the advisory names no versions that can be compared"]
    try:
        compare(affected.ecosystem, version, version)
    except InvalidVersionError as error:
        return [str(error)]
    return []


def _fix_after(version: str, affected: Affected) -> str:
    fixes = _fixes(affected)
    try:
        later = [fix for fix in fixes if compare(affected.ecosystem, fix, version) > 0]
    except InvalidVersionError:
        return _last_fix(affected)
    return min(later, key=cmp_to_key(partial(compare, affected.ecosystem)), default="")


def _last_fix(affected: Affected) -> str:
    return next(reversed(_fixes(affected)), "")


def _fixes(affected: Affected) -> list[str]:
    return [event.version for events in affected.ranges for event in events if event.bound is Bound.FIXED]
