"""Input as changes to something that is right: what lies behind checksums, signatures and cross-checks is reached, and
most of what is changed stays in order.
"""

import json
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

_MOST_CHANGES, _STEP = 12, 5
MAX_BYTES = 1 + _MOST_CHANGES * _STEP
"""Of an input that means anything: one byte to choose what is changed, and so many changes."""
_MOST_PLACES = 1500
"""What is copied into itself again and again ends here."""
_DEEP = 70
"""More than `scanning.oci.strict_json` reads."""
_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 7, 2**31, 2**53, 2**63 - 1, 2**63, -(2**63), 10**70, 0.5, 1e300),
    *("", "0", "a", "../a", "/", "a/b", "a\0b", "\ud800", "\u017f", "\x1b[2J", "sha256:", "sha256:" + "0" * 64),
    *("sha512:" + "0" * 128, "YQ==", "=", "1:2~rc1", "v1.0.0", "9" * 400, "a" * 5000, "https://example.org/", "reg"),
    *("chunk", "dir", "hardlink", "zeros", "SEMVER", "GIT", "ECOSYSTEM", "2026-01-01T00:00:00Z", "MIT OR ("),
    *([], {}, [None], [[]], {"a": 1}, ["a"], [{}]),
)
_NUMBERS = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 0x100000000, 2**63 - 1, 2**64 - 1)
_TEXTS = (
    *("", " ", "\t", ":", "=", "a", "../a", "a b", "\0", "\x85", "\ud7ff", "'", '"', "1:2~rc1", "x" * 300, "(1.0)"),
    *("Name: a", "%NAME%", "Package: b", 's.name = "b"', "P:b", "\\", "#", "\x1b[2J", "\u2028", "{", "}"),
)

_Place = tuple[Any, Any]


def change(document: Any, data: bytes) -> None:
    """Change a document of JSON where it is: five bytes of `data` say where, what is done, and with which value."""
    nested: _Place | None = None
    for where, what, value in _changes(data):
        places = list(_places(document))
        if not 0 < len(places) < _MOST_PLACES:
            break
        holder, key = places[where % len(places)]
        if what % 8 == 7:
            nested = holder, key
        elif what % 8 == 6:
            _alter(holder, key, value)
        else:
            _replace(holder, key, what % 8, value, places[value % len(places)])
    if nested is not None and nested in _places(document):
        holder, key = nested
        for _ in range(_DEEP):
            holder[key] = [holder[key]]


def _replace(holder: Any, key: Any, what: int, value: int, other: _Place) -> None:
    """Put another value in a place, or one more beside it, or take it away."""
    other_holder, other_key = other
    match what:
        case 0 | 1:
            holder[key] = deepcopy(_VALUES[value % len(_VALUES)])
        case 2:
            holder[key] = deepcopy(other_holder[other_key])
        case 3:
            del holder[key]
        case 4 if isinstance(holder, list):
            holder.insert(key, deepcopy(other_holder[other_key]))
        case 4:
            name = str(key)
            names = (name.upper(), name.capitalize(), name.replace("s", "\u017f"), f"{name}\0", "digest", "size")
            holder[names[value % len(names)]] = deepcopy(holder[key])
        case _ if isinstance(other_holder, dict) and isinstance(holder, dict):
            holder[other_key] = deepcopy(other_holder[other_key])


def _alter(holder: Any, key: Any, value: int) -> None:
    """Change a number by a little, or one character of a text."""
    if isinstance(holder[key], int):
        holder[key] += value % 256 - 128
    elif isinstance(holder[key], str):
        text = holder[key]
        place = value % (len(text) + 1)
        holder[key] = text[:place] + chr(value * 7 % 0x300) + text[place + 1 :]


def forged(document: Any, data: bytes) -> Any:
    """A changed copy of `document`."""
    copy = [deepcopy(document)]
    change(copy, data)
    return copy[0] if copy else None


def text_of(document: Any) -> bytes:
    """The document as JSON: what UTF-8 has no bytes for stands escaped."""
    return json.dumps(document).encode()


def content(original: bytes, data: bytes) -> bytes:
    """Changed bytes: five of `data` say where, counted from the start or the end, what is done, and with what."""
    changed = bytearray(original)
    for where, what, value in _changes(data):
        place = where % (len(changed) + 1)
        if what & 0x80:
            place = len(changed) - min(place, len(changed))
        match what % 8:
            case 0 | 1:
                changed[place : place + 1] = bytes([value & 0xFF])
            case 2 | 3 | 4:
                size = (2, 4, 8)[what % 8 - 2]
                number = _NUMBERS[value % len(_NUMBERS)] % (1 << 8 * size)
                changed[place : place + size] = number.to_bytes(size, "little" if what & 0x40 else "big")
            case 5:
                del changed[place : place + value % 256]
            case 6:
                changed[place:place] = bytes([what]) * (value % 256)
            case _:
                changed[place:place] = changed[value : value + 64]
    return bytes(changed)


def lines(original: str, data: bytes) -> str:
    """Changed text: five bytes of `data` say in which line, what is done, and with what."""
    changed = original.split("\n")
    for where, what, value in _changes(data):
        place = where % len(changed)
        line, text = changed[place], _TEXTS[value % len(_TEXTS)]
        match what % 8:
            case 0:
                changed[place] = text
            case 1:
                changed.insert(place, changed[value % len(changed)])
            case 2 if len(changed) > 1:
                del changed[place]
            case 3:
                sign = next((sign for sign in ("=", ":", " ") if sign in line), "")
                changed[place] = line.partition(sign)[0] + sign + text if sign else text
            case 4:
                cut = value % (len(line) + 1)
                changed[place] = line[:cut] + chr(what * 5 % 0x300) + line[cut + 1 :]
            case 5:
                changed[place] = line + text
            case 6:
                changed[place] = " " + line
            case _:
                changed[place], changed[value % len(changed)] = changed[value % len(changed)], line
    return "\n".join(changed)


def _changes(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Two bytes for a place, one for what is done, two for a value."""
    for place in range(0, min(len(data), _STEP * _MOST_CHANGES) - _STEP + 1, _STEP):
        where, what, value = data[place : place + 2], data[place + 2], data[place + 3 : place + 5]
        yield int.from_bytes(where, "big"), what, int.from_bytes(value, "big")


def _places(document: Any) -> Iterator[_Place]:
    waiting = [document]
    while waiting:
        holder = waiting.pop()
        keys = range(len(holder)) if isinstance(holder, list) else list(holder) if isinstance(holder, dict) else ()
        for key in keys:
            yield holder, key
            waiting.append(holder[key])
