"""Spares an upstream that is down, and those who would wait for it.

closed      requests pass; so many failures in a row open it
open        every request is refused at once, for a pause
half-open   the pause is over: one request passes; it closes the breaker, or opens it for twice the pause
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil

import structlog

from proxy.upstream.port import UpstreamSuspendedError, UpstreamUnavailableError

_FIRST_PAUSE = 1.0
_DOWN = frozenset({502, 503, 504})
"""Answers of a proxy or a server that is down. Not 500 or 429: a client could provoke these, and so stop all others."""
_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Trial:
    """One request that was let through; `status` is to be set when it is answered."""

    status: int = 0


class CircuitBreaker:
    """One for each upstream, for use in one event loop. `failures` of 0 leaves it closed; `longest` is in seconds."""

    def __init__(self, name: str, failures: int, longest: float, monotonic: Callable[[], float]) -> None:
        self._name = name
        self._limit = failures
        self._longest = longest
        self._monotonic = monotonic
        self._failures = 0
        self._pause = _FIRST_PAUSE
        self._open_until: float | None = None
        self._is_probed = False

    @contextmanager
    def trial(self, *, is_stream: bool = False) -> Iterator[Trial]:
        """Around one request. Raises `UpstreamSuspendedError` instead of letting it through.

        What ends without an answer and without `UpstreamUnavailableError`, such as a client that leaves, counts as
        neither. Nor does a stream from a client that breaks off: how long it takes, and whether a registry cuts it
        short, is in the client's hands.
        """
        is_probe = self._admit(is_stream)
        trial = Trial()
        try:
            yield trial
        except UpstreamUnavailableError:
            if not is_stream:
                self._failed(is_probe)
            raise
        else:
            if trial.status in _DOWN:
                self._failed(is_probe)
            elif trial.status:
                self._succeeded()
        finally:
            if is_probe:
                self._is_probed = False

    def _admit(self, is_stream: bool) -> bool:
        """Whether the request is the one that tries an open breaker."""
        if self._open_until is None:
            return False
        left = self._open_until - self._monotonic()
        if left > 0 or self._is_probed or is_stream:
            raise UpstreamSuspendedError(
                f"the upstream {self._name} failed too often and is not asked for a while; try again later",
                retry_after=max(1, ceil(left)),
            )
        self._is_probed = True
        return True

    def _failed(self, is_probe: bool) -> None:
        if is_probe:
            self._pause = min(2 * self._pause, self._longest)
        elif self._open_until is not None:
            return  # sent before it opened
        else:
            self._failures += 1
            if not self._limit or self._failures < self._limit:
                return
            self._pause = min(_FIRST_PAUSE, self._longest)
            _log.warning("upstream suspended", upstream=self._name, failures=self._failures)
        self._open_until = self._monotonic() + self._pause

    def _succeeded(self) -> None:
        if self._open_until is not None:
            _log.info("upstream answers again", upstream=self._name)
        self._failures, self._open_until = 0, None
