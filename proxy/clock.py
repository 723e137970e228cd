"""The one clock. What depends on time takes a `Clock`, so that a test can set it."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Clock = Callable[[], datetime]

_TOLERANCE = timedelta(minutes=1)
"""Clocks that are kept right are moved by less than that, and every token is forgiven as much (threat 6)."""


def utc_now() -> datetime:
    """The present, aware, in UTC."""
    return datetime.now(UTC)


class SteadyClock:
    """The present by `wall`, which may be set back, and what has expired does not live again by that.

    From a time that it is to hold on to, it goes on at the pace of `monotonic` (seconds), wherever `wall` is more than
    a minute behind that.
    """

    def __init__(self, wall: Clock = utc_now, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._held: datetime | None = None
        self._held_since = 0.0

    def __call__(self) -> datetime:
        """The present."""
        now, least = self._wall(), self._least()
        return now if least is None or least - now <= _TOLERANCE else least

    @property
    def behind(self) -> timedelta:
        """By how much `wall` is behind the time that is held on to; nothing where that is forgiven."""
        return self() - self._wall()

    def hold(self, at: datetime) -> None:
        """Hold on to `at`, where it is later than what is held on to."""
        least = self._least()
        if least is None or at > least:
            self._held, self._held_since = at, self._monotonic()

    def _least(self) -> datetime | None:
        if self._held is None:
            return None
        return self._held + timedelta(seconds=self._monotonic() - self._held_since)
