"""Lengths of time as people write them."""

import re
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_GRAMMAR = re.compile(r"([0-9]{1,7})([smhd])")


def parse_duration(value: object) -> timedelta:
    """Read `90s`, `15m`, `72h` or `30d`. Raises `ValueError`."""
    if isinstance(value, timedelta):
        return value
    match = _GRAMMAR.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("write a length of time as a number with its unit: 90s, 15m, 72h or 30d")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def end_after(start: datetime, lasting: timedelta) -> datetime:
    """When what lasts so long from `start` on ends. Raises `ValueError` for what no calendar has."""
    try:
        return start + lasting
    except OverflowError as error:
        raise ValueError("it is longer than there are years; write less, such as 90d") from error


def format_duration(value: timedelta) -> str:
    """Write `value`, to the second, in the largest unit that divides it."""
    seconds = round(value.total_seconds())
    size, unit = next(pair for pair in ((86400, "d"), (3600, "h"), (60, "m"), (1, "s")) if seconds % pair[0] == 0)
    return f"{seconds // size}{unit}"


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    Field(gt=timedelta(0)),
    PlainSerializer(format_duration, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": f"^{_GRAMMAR.pattern}$", "examples": ["15m", "72h"]}),
]
"""A length of time greater than zero, written like `72h`."""
