"""When a request that failed is sent again. Pure: the clock, the dice and the waiting are the caller's."""

from dataclasses import dataclass

PASSING = frozenset({429, 500, 502, 503, 504})
"""Statuses that say nothing about the request, and may be gone the next time: docker-registry answers 500 to whoever
asks for a blob in the moment in which somebody else stores it.
"""
_LONGEST_PAUSE = 5.0


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Send at most `more` times again, all of it begun within `seconds` of the first time.

    Pauses are drawn from a range that begins at `first_pause` and doubles: those who failed together must not come back
    together.
    """

    more: int = 0
    seconds: float = 20.0
    first_pause: float = 0.2

    def pause(self, failures: int, passed: float, asked_for: float, draw: float) -> float | None:
        """How long to wait after so many failures, `passed` seconds after the first request; None to give up.

        `asked_for` is the upstream's Retry-After in seconds, 0 without; `draw` is a random number from 0 to 1.
        """
        if failures > self.more:
            return None
        pause = asked_for + draw * min(_LONGEST_PAUSE, self.first_pause * 2.0 ** (failures - 1))
        return pause if passed + pause < self.seconds else None
