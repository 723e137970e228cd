"""The root of the one error hierarchy. Each floor adds its families; `proxy.errors` maps them to the wire."""

from collections.abc import Sequence
from dataclasses import dataclass

Location = tuple[str | int, ...]
"""Where in a document something is: keys and indexes, from the outside in."""


class ImagegateError(Exception):
    """Every error the gate raises on purpose.

    `str(error)` is one self-contained sentence for a person: what, where, why, and how to fix it.
    """


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in a document the operator wrote. `line` and `column` count from 1; 0 means unknown.

    `location` is where in the document it is, for whoever finds it without having the document.
    """

    source: str
    line: int
    column: int
    message: str
    location: Location = ()

    def __str__(self) -> str:
        place = f"{self.source}:{self.line}:{self.column}" if self.line else self.source
        return f"{place}: {self.message}"


class ConfigurationError(ImagegateError):
    """A settings or policy document is refused. `problems` holds every mistake found, not only the first."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


class InvalidPatternError(ImagegateError, ValueError):
    """A repository or purl pattern outside its grammar. A `ValueError` too, so that pydantic gathers it."""


class MisplacedValueError(ImagegateError, ValueError):
    """Values that are right alone and wrong together; raised in validators, so that pydantic gathers it.

    `mistakes` holds every one with its location below the model that is validated.
    """

    def __init__(self, mistakes: Sequence[tuple[Location, str]]) -> None:
        super().__init__("; ".join(message for _, message in mistakes))
        self.mistakes = tuple(mistakes)
