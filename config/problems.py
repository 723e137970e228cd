"""What pydantic found wrong, as problems an operator can act on."""

from collections.abc import Callable, Iterator
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from config.errors import Location, MisplacedValueError, Problem

Locator = Callable[[Location], tuple[str, int, int]]
"""Says in which source, line and column a location stands."""


def problems_of(error: ValidationError, model: type[BaseModel], locate: Locator) -> tuple[Problem, ...]:
    """Everything `error` holds, in the order of the document."""
    found = error.errors(include_url=False)
    problems = [
        Problem(*locate(location), f"{dotted(location)}: {message}" if location else message)
        for details in found
        if not _follows_from_another(details, found)
        for location, message in _mistakes(details, model)
    ]
    return tuple(sorted(problems, key=lambda problem: (problem.source, problem.line, problem.column)))


def _follows_from_another(details: ErrorDetails, found: list[ErrorDetails]) -> bool:
    """A list is also too short when its items are wrong."""
    here = details["loc"]
    return details["type"] == "too_short" and any(
        len(other["loc"]) > len(here) and other["loc"][: len(here)] == here for other in found
    )


def unknown_key(key: str, known: list[str]) -> str:
    """The sentence for a key that is not known."""
    near = get_close_matches(key, known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"known here: {', '.join(sorted(known)) or 'none'}"
    return f"this key is not known; {hint}"


def _mistakes(details: ErrorDetails, model: type[BaseModel]) -> Iterator[tuple[Location, str]]:
    location = details["loc"]
    cause = details.get("ctx", {}).get("error")
    if isinstance(cause, MisplacedValueError):
        yield from (((*location, *below), message) for below, message in cause.mistakes)
    elif details["type"] == "extra_forbidden":
        yield location, unknown_key(str(location[-1]), _keys(model, location[:-1]))
    elif details["type"] == "missing":
        yield location, "this key is required"
    elif cause is not None:
        yield location, str(cause)
    else:
        yield location, details["msg"].replace("Input should", "the value should")


def dotted(location: Location) -> str:
    """`location` as it is written in a sentence: upstreams[0].url."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return text.removeprefix(".")


def _keys(model: type[BaseModel], location: Location) -> list[str]:
    """The keys that may stand at `location`."""
    for part in location:
        field = model.model_fields.get(str(part))
        nested = _model_in(field.annotation) if field else None
        if nested is not None:
            model = nested
    return list(model.model_fields)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model that `annotation` is or contains."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part))), None)
