"""Where the serving processes of one gate tell each other how they are doing.

    FOLDER/<seat>.json      what the process in a seat says of itself, about every second
    FOLDER/departed         what processes that have ended had counted
    FOLDER/places/          how many uploads they may inspect together
    FOLDER/pace             how fast uploads come to all of them
    FOLDER/claims           which blobs they read back

Whichever process is asked for /readyz and /metrics answers for all. Files are replaced whole, so a reader sees what was
posted or what was posted before.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from proxy.serving.seats import Seat
from proxy.telemetry.sums import lasting

_DEPARTED = "departed"


@dataclass(frozen=True, slots=True)
class Notice:
    """What a process says of itself: whether it can inspect, and its metrics in the Prometheus text format."""

    inspects: bool
    metrics: str


class Board:
    """The notices in one folder. Its methods wait for the disk: call them in a thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def places(self) -> Path:
        """The folder of the places for uploads (`proxy.inspection.places`)."""
        return self._folder / "places"

    @property
    def pace(self) -> Path:
        """The file of how fast uploads come (`proxy.gate.pace`)."""
        return self._folder / "pace"

    @property
    def claims(self) -> Path:
        """The file of which blobs are being read back (`proxy.gate.claims`)."""
        return self._folder / "claims"

    def post(self, seat: Seat, notice: Notice) -> None:
        """Replace what the process in `seat` says."""
        content = json.dumps({"inspects": notice.inspects, "metrics": notice.metrics})
        self._replace(self._path(seat.number), content)

    def others(self, seat: Seat) -> tuple[Notice, ...]:
        """What the processes in the other seats say. Who has just started has not said anything yet."""
        found = (self._read(number) for number in range(seat.of) if number != seat.number)
        return tuple(notice for notice in found if notice is not None)

    def departed(self) -> str:
        """What processes that have ended had counted."""
        path = self._folder / _DEPARTED
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def has(self, seat: Seat) -> bool:
        """Whether the process in `seat` has said anything."""
        return self._path(seat.number).exists()

    def clear(self, seat: Seat) -> None:
        """The process in `seat` has ended: keep what it counted, and nothing else. For the supervisor alone."""
        notice = self._read(seat.number)
        if notice is not None:
            self._replace(self._folder / _DEPARTED, lasting([self.departed(), notice.metrics]).decode())
            self._path(seat.number).unlink()

    def _path(self, number: int) -> Path:
        return self._folder / f"{number}.json"

    def _read(self, number: int) -> Notice | None:
        try:
            said = json.loads(self._path(number).read_bytes())
        except FileNotFoundError:
            return None
        return Notice(said["inspects"], said["metrics"])

    def _replace(self, path: Path, content: str) -> None:
        new = path.with_suffix(".new")
        new.write_text(content, encoding="utf-8")
        new.replace(path)
