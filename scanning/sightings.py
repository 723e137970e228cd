"""When the gate first saw packages: in an image that was pushed or pulled, and not refused for anything but their age.

A package is told by its purl without what only says where it runs (`plain`), so each of its versions has a time of its
own. What somebody smuggles into a package that is trusted is mostly found out within days: by waiting, others find it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from config.policy.require import RequireMinimumAge
from scanning.approvals import plain
from scanning.facts import Package


@dataclass(frozen=True, slots=True)
class Sighting:
    """A package by its plain purl, and when it was first seen (aware)."""

    purl: str
    first_seen: datetime


@dataclass(frozen=True, slots=True)
class Sightings:
    """The packages of an image that a rule found too young when it was judged, in the order of their purls. Others were
    old enough.
    """

    young: tuple[Sighting, ...] = ()

    def first_seen(self, package: Package) -> datetime | None:
        """When a package was first seen; None if that is long enough ago."""
        purl = plain(package.purl)
        return next((one.first_seen for one in self.young if one.purl == purl), None)


def names(packages: Iterable[Package]) -> frozenset[str]:
    """What the packages of an image are remembered by."""
    return frozenset(plain(package.purl) for package in packages)


def waiting(packages: Iterable[Package], required: RequireMinimumAge) -> tuple[Package, ...]:
    """The packages that must have been seen for a while."""
    return tuple(
        package
        for package in packages
        if any(pattern.may_match(package.purl) for pattern in required.purls)
        and not any(pattern.matches(package.purl) for pattern in required.exempt)
    )


def sightings(
    packages: Iterable[Package], seen: Mapping[str, datetime], required: RequireMinimumAge, now: datetime
) -> Sightings:
    """What a verdict at `now` must know. One that `seen` has no time of is seen for the first time."""
    times = {purl: seen.get(purl, now) for purl in names(waiting(packages, required))}
    return Sightings(tuple(Sighting(purl, at) for purl, at in sorted(times.items()) if now - at < required.age))
