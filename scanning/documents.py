"""Facts and verdicts as documents: JSON in one form only, named by digest, so that a verdict can be replayed."""

from collections.abc import Hashable
from functools import cache
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from scanning.errors import InvalidContentError

Value = TypeVar("Value")


@cache
def _adapter(kind: Hashable) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def encode(value: object) -> bytes:
    """Write a frozen value as JSON. Equal values give equal bytes: fields stand in their declared order."""
    return _adapter(type(value)).dump_json(value)


def decode(kind: type[Value], document: bytes) -> Value:
    """Read what `encode` wrote. Raises `InvalidContentError` if it is not a `kind`."""
    try:
        value: Value = _adapter(kind).validate_json(document, strict=False)
    except ValidationError as error:
        raise InvalidContentError(f"not a {kind.__name__} document: {error}") from error
    return value
