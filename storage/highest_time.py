"""The highest time ever seen, kept in a file: a clock set back must not make old data look fresh."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from storage import durable
from storage.errors import SnapshotError

_STEP = timedelta(minutes=1)
"""How far the time moves on before it is written again."""


def observe(place: Path, now: datetime) -> datetime:
    """The present, never earlier than a time seen before. Raises `SnapshotError` if the file is damaged."""
    try:
        highest = datetime.fromisoformat(place.read_text()).astimezone(UTC)
    except FileNotFoundError:
        highest = datetime.min.replace(tzinfo=UTC)
    except ValueError as error:
        raise SnapshotError(
            f"the file {place} does not hold a time; import the advisories again with --force"
        ) from error
    if now - highest > _STEP:
        reset(place, now)
    return max(now, highest)


def reset(place: Path, now: datetime) -> None:
    """Take `now` as the highest time seen, whatever was there: the clock had been ahead."""
    durable.write(place, now.astimezone(UTC).isoformat().encode())
