"""What people write into fields, read as what it stands for."""

from datetime import timedelta

from config.durations import parse_duration
from config.errors import InvalidPatternError
from config.patterns import RepositoryPattern
from proxy.errors import BadRequestError


def read_patterns(text: str) -> tuple[RepositoryPattern, ...]:
    """Patterns of repositories with blanks between them. Raises `BadRequestError`."""
    try:
        return tuple(map(RepositoryPattern, text.split()))
    except InvalidPatternError as error:
        raise BadRequestError(str(error)) from error


def read_duration(text: str) -> timedelta:
    """A length of time such as `90d`. Raises `BadRequestError`."""
    try:
        return parse_duration(text)
    except (ValueError, OverflowError) as error:
        raise BadRequestError(f"{text[:40]!r} is no length of time: {error}") from error
