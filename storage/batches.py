"""Long lists a piece at a time: databases take only so many parameters, and others wait meanwhile."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

_Value = TypeVar("_Value")


def batches(values: Sequence[_Value], size: int) -> Iterator[Sequence[_Value]]:
    """The values in their order, `size` at a time; the last piece may be shorter."""
    for start in range(0, len(values), size):
        yield values[start : start + size]
