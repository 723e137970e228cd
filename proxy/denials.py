"""Requests that are denied again and again: told one by one at first, then by their number; pushes are not heard.

Whoever holds a token could fill the database with records of what he was denied, each of them different. So of each
token so many are recorded one by one in a window of time; the rest are counted, and their number is one record when
the window ends. What was denied stays denied, and is answered as ever. A refused push costs more than one record: its
verdict, and all that this was made of, are kept. So whoever had too many refused waits for the window to end.
"""

import asyncio
import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import structlog

from proxy.errors import TooManyRequestsError
from storage.audit import AuditRecord, Event
from storage.errors import StorageError

_REMEMBERED = 20_000
_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Window:
    """What one token was denied since `since`; `untold` is what is not on record, by event: the last, and how many."""

    since: float
    count: int = 0
    refused: int = 0
    untold: dict[Event, AuditRecord] = field(default_factory=dict)
    end: asyncio.TimerHandle | None = None


class Denials:
    """Counts by token, in windows of `seconds`. `append` writes a record; `monotonic` counts seconds."""

    def __init__(
        self,
        append: Callable[[AuditRecord], None],
        *,
        most: int,
        seconds: float,
        monotonic: Callable[[], float],
    ) -> None:
        self._append = append
        self._most = most
        self._seconds = seconds
        self._monotonic = monotonic
        self._windows: OrderedDict[str, _Window] = OrderedDict()

    def is_to_be_told(self, token: str, denied: AuditRecord) -> bool:
        """Whether `denied` is to be recorded by itself; if not, it is counted here, and recorded with others later."""
        window = self._window(token)
        window.count += 1
        if window.count <= self._most:
            return True
        known = window.untold.get(denied.event)
        window.untold[denied.event] = replace(denied, times=known.times + 1 if known else 1)
        if window.end is None:
            left = window.since + self._seconds - self._monotonic()
            window.end = asyncio.get_running_loop().call_later(left, self._tell, window)
        return False

    def check_pushes(self, token: str) -> None:
        """Return if the token may push. Raises `TooManyRequestsError` where too many of its pushes were refused."""
        window = self._window(token)
        if window.refused >= self._most:
            left = math.ceil(window.since + self._seconds - self._monotonic())
            raise TooManyRequestsError(
                f"{window.refused} pushes with this token were refused within {self._seconds:.0f} seconds; read why,"
                f" and push again in {left} seconds",
                retry_after=max(left, 1),
            )

    def push_refused(self, token: str) -> None:
        """Count a refused push."""
        self._window(token).refused += 1

    def close(self) -> None:
        """Record what is not on record yet."""
        for window in self._windows.values():
            self._tell(window)

    def _window(self, token: str) -> _Window:
        now = self._monotonic()
        window = self._windows.get(token)
        if window is None or now - window.since >= self._seconds:
            if window is not None:
                self._tell(window)
            window = self._windows[token] = _Window(now)
            self._windows.move_to_end(token)
            while len(self._windows) > _REMEMBERED:
                self._tell(self._windows.popitem(last=False)[1])
        return window

    def _tell(self, window: _Window) -> None:
        """Record how many more there were."""
        if window.end is not None:
            window.end.cancel()
            window.end = None
        untold, window.untold = window.untold, {}
        for event, last in untold.items():
            said = (
                f"denied {last.times} times more within {self._seconds:.0f} seconds than the {self._most} that are on"
                f" record one by one; the last: {last.detail or last.reference}"
            )
            try:
                self._append(replace(last, detail=said))
            except StorageError as error:
                what = {"actor": last.actor, "denied": event, "times": last.times}
                _log.critical("denials are not on record", **what, problem=str(error))
