"""When a version of a package was seen. A value: whoever has one needs no database."""

from dataclasses import dataclass
from datetime import datetime, timedelta

_TO_THE_MONTH = timedelta(days=30)
"""How far `last` may lie behind: what is seen every day costs a write a month."""


def noted_before(since: datetime) -> datetime:
    """When a version was noted last, at the latest, of which is known that nobody has seen it `since` then."""
    return since - _TO_THE_MONTH


@dataclass(frozen=True, slots=True)
class Seen:
    """When a version was `first` seen, and when it was noted `last` that an image had it."""

    first: datetime
    last: datetime

    def is_fresh(self, now: datetime) -> bool:
        """Whether nothing has to be noted again at `now`."""
        return now - self.last < _TO_THE_MONTH
