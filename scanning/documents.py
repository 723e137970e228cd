"""Facts and verdicts as documents: JSON in one form only, named by digest, so that a verdict can be replayed."""

from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from scanning.errors import InvalidContentError

Value = TypeVar("Value")


def _new_adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


_adapter: Callable[[Any], TypeAdapter[Any]] = cache(_new_adapter)


def prepare(*kinds: type[Any]) -> None:
    """Do beforehand what is done once for each kind of value."""
    for kind in kinds:
        _adapter(kind)


def encode(value: Any) -> bytes:
    """Write a frozen value as JSON. Equal values give equal bytes: fields stand in their declared order."""
    return _adapter(type(value)).dump_json(value)


def decode(kind: type[Value], document: bytes) -> Value:
    """Read what `encode` wrote. Raises `InvalidContentError` if it is not a `kind`."""
    try:
        value: Value = _adapter(kind).validate_json(document)
    except ValidationError as error:
        raise InvalidContentError(f"not a {kind.__name__} document: {error}") from error
    return value
