"""One line for each request, by the way of all other lines, at a tenth of their price.

There are more of these lines than of all others, and the usual way makes one of them dearer than answering the request
for a manifest. What is in one is known, so it needs no chain of processors: only what a client wrote is cleaned.
"""

import json
import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from proxy.telemetry.redaction import clean_text

_LOGGER = logging.getLogger("proxy.request")
_LONGEST_PART = 80
_LONGEST_PATH = 2048
_encode = json.JSONEncoder().encode


@dataclass(frozen=True, slots=True)
class RequestLine:
    """What is said of a request. `path` is as the client sent it, without its query."""

    request_id: str
    method: str
    path: str
    status: int
    seconds: float
    address: str


class RequestRecord(logging.LogRecord):
    """A record of the standard library that is formatted as the line of a request."""

    def __init__(self, line: RequestLine) -> None:
        super().__init__(_LOGGER.name, logging.INFO, "", 0, "request", None, None)
        self.line = line

    def as_json(self) -> str:
        """The line for a collector."""
        line = self.line
        return _encode(
            {
                "method": _cleaned(line.method[:20]),
                "path": _shortened(line.path),
                "status": line.status,
                "seconds": round(line.seconds, 4),
                "address": line.address,
                "request_id": line.request_id,
                "process": self.process,
                "event": self.msg,
                "level": "info",
                "logger": self.name,
                "timestamp": self._time(),
            }
        )

    def as_text(self) -> str:
        """The line for people."""
        line = self.line
        return (
            f"{self._time()} [info     ] {self.msg:<30} [{self.name}] address={line.address}"
            f" method={_cleaned(line.method[:20])} path={_shortened(line.path)} process={self.process}"
            f" request_id={line.request_id}"
            f" seconds={round(line.seconds, 4)} status={line.status}"
        )

    def _time(self) -> str:
        return datetime.fromtimestamp(self.created, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def log_request(line: RequestLine) -> None:
    """Say that a request was answered."""
    if _LOGGER.isEnabledFor(logging.INFO):
        _LOGGER.handle(RequestRecord(line))


@lru_cache(maxsize=2048)
def _shortened(path: str) -> str:
    """A path fit to be read: upload addresses hold a sealed state of hundreds of characters."""
    parts = (
        part if len(part) <= _LONGEST_PART else f"{part[:_LONGEST_PART]}..." for part in path[:_LONGEST_PATH].split("/")
    )
    return clean_text("/".join(parts))


@lru_cache(maxsize=64)
def _cleaned(text: str) -> str:
    return clean_text(text)
