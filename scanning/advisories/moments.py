"""Times as feeds write them, with an offset that can lead out of what a calendar holds."""

from datetime import UTC, datetime

from scanning.errors import InvalidContentError


def in_utc(moment: datetime) -> datetime:
    """`moment`, which has a zone, in UTC. Raises `InvalidContentError` if that is in no year from 1 to 9999."""
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise InvalidContentError(f"{moment.isoformat()} is in UTC in no year from 1 to 9999") from error
