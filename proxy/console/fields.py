"""What people write into fields, read as what it stands for."""

from datetime import datetime

from config.durations import end_after, parse_duration
from config.errors import InvalidPatternError
from config.patterns import RepositoryPattern
from proxy.errors import BadRequestError


def read_patterns(text: str) -> tuple[RepositoryPattern, ...]:
    """Patterns of repositories with blanks between them. Raises `BadRequestError`."""
    try:
        return tuple(map(RepositoryPattern, text.split()))
    except InvalidPatternError as error:
        raise BadRequestError(str(error)) from error


def read_end(text: str, now: datetime) -> datetime:
    """When what lasts from `now` on ends, by a length of time such as `90d`. Raises `BadRequestError`."""
    try:
        return end_after(now, parse_duration(text))
    except ValueError as error:
        raise BadRequestError(f"{text[:40]!r} is no length of time: {error}") from error
