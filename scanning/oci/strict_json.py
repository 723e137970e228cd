"""JSON that every reader must understand in the same way, or not at all.

Registries, runtimes and scanners read the same bytes with different parsers. What is refused here is what these are
known to disagree about: Go's `encoding/json` takes the last of two equal keys and matches keys without regard to
case (`Layers`, `layer\\u017f`); Python's parser fails on deep nesting and on integers of thousands of digits; lone
surrogates and `NaN` exist for some and not for others (threats 39, 40 and 41).
"""

import json
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NoReturn, TypeAlias

from scanning.errors import InvalidJsonError

JsonValue: TypeAlias = dict[str, "JsonValue"] | list["JsonValue"] | str | int | float | bool | None

MAX_DEPTH = 64
"""How deep objects and lists may be nested."""
MAX_VALUES = 200_000
"""How many values a document may hold, so that small bytes cannot become large memory."""

_LONGEST_NUMBER = 64
_INTEGERS = range(-(2**63), 2**63)
_MAPS = frozenset({"annotations", "Labels", "ExposedPorts", "Volumes"})
"""Objects that every reader takes as a map with exact keys, so that keys differing in case are two keys."""


def parse(body: bytes, what: str, limit: int, most_values: int = MAX_VALUES) -> JsonValue:
    """Read one JSON document of at most `limit` bytes and `most_values`. `what` names it in errors ("the manifest").

    Raises `InvalidJsonError`, and nothing else, whatever `body` holds.
    """
    if len(body) > limit:
        raise InvalidJsonError(f"{what} has {len(body)} bytes; at most {limit} are read")
    if body.count(b",") + body.count(b"[") + body.count(b"{") > most_values:
        raise InvalidJsonError(f"{what} holds more than {most_values} values")
    try:
        value: JsonValue = json.loads(
            body.decode(),
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_number,
            parse_constant=_refuse_constant,
        )
    except InvalidJsonError as error:
        raise InvalidJsonError(f"{what} {error}") from error
    except RecursionError as error:
        raise InvalidJsonError(f"{what} nests deeper than {MAX_DEPTH} levels") from error
    except UnicodeDecodeError as error:
        raise InvalidJsonError(f"{what} is not UTF-8 at byte {error.start}") from error
    except ValueError as error:
        raise InvalidJsonError(f"{what} is not JSON: {error}") from error
    _check(value, what)
    return value


def _object(pairs: Sequence[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    found = dict(pairs)
    if len(found) != len(pairs):
        twice = next(key for key, times in Counter(key for key, _ in pairs).items() if times > 1)
        raise InvalidJsonError(f"holds the key {_shown(twice)} twice in one object; readers disagree which counts")
    return found


def _integer(digits: str) -> int:
    if len(digits) > _LONGEST_NUMBER or int(digits) not in _INTEGERS:
        raise InvalidJsonError(f"holds the integer {digits[:24]}…, which does not fit in 64 bits")
    return int(digits)


def _number(digits: str) -> float:
    if len(digits) > _LONGEST_NUMBER or not math.isfinite(float(digits)):
        raise InvalidJsonError(f"holds the number {digits[:24]}…, which does not fit in 64 bits")
    return float(digits)


def _refuse_constant(name: str) -> NoReturn:
    raise InvalidJsonError(f"holds {name}, which is not JSON")


def _check(document: JsonValue, what: str) -> None:
    """Check what the parser does not: depth, text, and keys that differ only in case."""
    waiting: list[tuple[JsonValue, int, bool]] = [(document, 0, False)]
    while waiting:
        value, depth, is_map = waiting.pop()
        if depth > MAX_DEPTH:
            raise InvalidJsonError(f"{what} nests deeper than {MAX_DEPTH} levels")
        if isinstance(value, str):
            _check_text(value, what)
        elif isinstance(value, list):
            waiting += [(item, depth + 1, False) for item in value]
        elif isinstance(value, dict):
            _check_keys(value, what, is_map=is_map)
            waiting += [(item, depth + 1, key in _MAPS) for key, item in value.items()]


def _check_keys(value: dict[str, JsonValue], what: str, *, is_map: bool) -> None:
    seen: dict[str, str] = {}
    for key in value:
        _check_text(key, what)
        other = key if is_map else seen.setdefault(key.casefold(), key)
        if other != key:
            raise InvalidJsonError(
                f"{what} holds the keys {_shown(other)} and {_shown(key)} in one object; they differ only in case,"
                " and readers disagree whether they are the same"
            )


def _check_text(text: str, what: str) -> None:
    if not text.isascii() and any(_surrogates(text)):
        raise InvalidJsonError(f"{what} holds half of a surrogate pair in {_shown(text)}")


def _surrogates(text: str) -> Iterator[bool]:
    return ("\ud800" <= character <= "\udfff" for character in text)


def _shown(text: str) -> str:
    return ascii(text[:80])
