"""What belongs to a repository by the prefix of its name."""

from collections.abc import Mapping
from typing import TypeVar

_Value = TypeVar("_Value")


def by_longest_prefix(name: str, values: Mapping[str, _Value], otherwise: _Value) -> _Value:
    """Of `values`, that of the longest prefix that `name` has, part by part and with something left behind it; else
    `otherwise`.
    """
    while name:
        name = name.rpartition("/")[0]
        if name in values:
            return values[name]
    return otherwise
