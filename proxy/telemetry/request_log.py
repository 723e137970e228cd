"""One line for each request, by the way of all other lines, at a tenth of their price.

There are more of these lines than of all others, and the usual way makes one of them dearer than answering the request
for a manifest. What is in one is known, so it needs no chain of processors: only what a client wrote is cleaned.
"""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from proxy.telemetry.redaction import clean_text

_LOGGER = logging.getLogger("proxy.request")
_EVENT = "request"
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
    """A record of the standard library that is formatted as a line for each of some requests."""

    def __init__(self, lines: Sequence[RequestLine]) -> None:
        super().__init__(_LOGGER.name, logging.INFO, "", 0, _EVENT, None, None)
        self.lines = lines

    def as_json(self) -> str:
        """The lines for a collector."""
        end = f', "process": {self.process}, "event": "{_EVENT}", "level": "info", "logger": "{self.name}"'
        end += f', "timestamp": "{self._time()}"}}'
        return "\n".join(
            [
                f"{{{_json_start(line.method, line.path, line.status)}{round(line.seconds, 4)}"
                f"{_json_middle(line.address)}{_encode(line.request_id)}{end}"
                for line in self.lines
            ]
        )

    def as_text(self) -> str:
        """The lines for people."""
        start = f"{self._time()} [info     ] {_EVENT:<30} [{self.name}] address="
        return "\n".join(
            [
                f"{start}{line.address} method={_cleaned(line.method[:20])} path={_shortened(line.path)}"
                f" process={self.process} request_id={line.request_id}"
                f" seconds={round(line.seconds, 4)} status={line.status}"
                for line in self.lines
            ]
        )

    def _time(self) -> str:
        return datetime.fromtimestamp(self.created, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def log_requests(lines: Sequence[RequestLine]) -> None:
    """Say that requests were answered, all of them in one write."""
    if _LOGGER.isEnabledFor(logging.INFO):
        _LOGGER.handle(RequestRecord(lines))


@lru_cache(maxsize=2048)
def _json_start(method: str, path: str, status: int) -> str:
    said = {"method": _cleaned(method[:20]), "path": _shortened(path), "status": status}
    return f'{_encode(said)[1:-1]}, "seconds": '


@lru_cache(maxsize=2048)
def _json_middle(address: str) -> str:
    return f', "address": {_encode(address)}, "request_id": '


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
