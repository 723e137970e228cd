"""What is for repositories by its patterns: for each of them, what has the most specific one."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol, TypeVar

from config.errors import InvalidPatternError, Location
from config.patterns import RepositoryPattern, ambiguous_pairs, most_specific


class ForRepositories(Protocol):
    """A rule, a quota: something that is for some repositories."""

    @property
    def repositories(self) -> tuple[RepositoryPattern, ...]:
        """Which."""


Each = TypeVar("Each", bound=ForRepositories)


def pattern_for(each: Iterable[ForRepositories], repository: str) -> RepositoryPattern | None:
    """The most specific of all patterns that covers `repository`; None if none does."""
    return most_specific((pattern for one in each for pattern in one.repositories), repository)


def the_one_for(each: Sequence[Each], repository: str) -> Each | None:
    """The one with the most specific pattern for `repository`; None if none covers it."""
    pattern = pattern_for(each, repository)
    return next((one for one in each if pattern in one.repositories), None)


def ties(name: str, each: Sequence[ForRepositories]) -> Iterator[tuple[Location, str]]:
    """Where, and why, the list `name` leaves open which of `each` a repository is under."""
    places: dict[int, Location] = {
        id(pattern): (name, number, "repositories", index)
        for number, one in enumerate(each)
        for index, pattern in enumerate(one.repositories)
    }
    patterns = [pattern for one in each for pattern in one.repositories]
    try:
        pairs = ambiguous_pairs(patterns)
    except InvalidPatternError as error:
        yield (name,), str(error)
        return
    for first, second in pairs:
        yield (
            places[id(second)],
            f"{second} ties with {first}: equally specific, and a repository can match both; narrow one of them",
        )
