"""Typed access to the objects of a parsed document, with the place in every error."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from scanning.errors import InvalidJsonError
from scanning.oci.strict_json import JsonValue


class Schema:
    """The field names a Go reader would look for in one kind of object."""

    def __init__(self, *names: str) -> None:
        self._by_fold: Mapping[str, str] = {name.casefold(): name for name in names}

    def misspelt(self, key: str) -> str:
        """The field that `key` is read as by a reader that ignores case; "" if none, or if it is spelt right."""
        name = self._by_fold.get(key.casefold(), key)
        return "" if name == key else name


@dataclass(frozen=True, slots=True)
class Fields:
    """One JSON object and where it stands. A field that is null counts as absent, as it does for Go.

    Every method raises `InvalidJsonError` where the document does not fit.
    """

    where: str
    values: Mapping[str, JsonValue]

    @classmethod
    def of(cls, value: JsonValue, where: str, schema: Schema) -> Self:
        """Take `value` as an object. Refuses keys that are a field of `schema` but for their case (threat 39)."""
        if not isinstance(value, dict):
            raise InvalidJsonError(f"{where} must be an object, not {_kind(value)}")
        for key in value:
            if name := schema.misspelt(key):
                raise InvalidJsonError(
                    f"{where} holds the key {key[:80]!a}; some readers take it as {name}: spell it {name}"
                )
        return cls(where, value)

    def text(self, name: str) -> str:
        """A string, "" if absent."""
        value = self.values.get(name)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise self._wrong(name, "a string", value)
        return value

    def required_text(self, name: str) -> str:
        """A string that is there and not empty."""
        value = self.text(name)
        if not value:
            raise InvalidJsonError(f"{self.where} lacks {name}")
        return value

    def integer(self, name: str) -> int:
        """An integer that is there. A boolean or `1.0` is none."""
        value = self.values.get(name)
        if value is None:
            raise InvalidJsonError(f"{self.where} lacks {name}")
        if not isinstance(value, int) or isinstance(value, bool):
            raise self._wrong(name, "an integer", value)
        return value

    def flag(self, name: str) -> bool:
        """A boolean, false if absent."""
        value = self.values.get(name)
        if not isinstance(value, bool | None):
            raise self._wrong(name, "true or false", value)
        return bool(value)

    def items(self, name: str) -> tuple[JsonValue, ...]:
        """The items of a list, none if absent."""
        value = self.values.get(name)
        if value is None:
            return ()
        if not isinstance(value, list):
            raise self._wrong(name, "a list", value)
        return tuple(value)

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of strings, empty if absent."""
        found = []
        for number, item in enumerate(self.items(name)):
            if not isinstance(item, str):
                raise self._wrong(f"{name}[{number}]", "a string", item)
            found.append(item)
        return tuple(found)

    def entries(self, name: str) -> Mapping[str, JsonValue]:
        """A map, empty if absent."""
        value = self.values.get(name)
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise self._wrong(name, "an object", value)
        return value

    def text_map(self, name: str) -> Mapping[str, str]:
        """A map of strings, empty if absent."""
        found = {}
        for key, value in self.entries(name).items():
            if not isinstance(value, str):
                raise self._wrong(f"{name}[{key[:80]!a}]", "a string", value)
            found[key] = value
        return found

    def optional_child(self, name: str, schema: Schema) -> Self | None:
        """The object in a field, None if absent."""
        value = self.values.get(name)
        return None if value is None else self.of(value, f"{self.where}.{name}", schema)

    def child(self, name: str, schema: Schema) -> Self:
        """The object in a field that is there."""
        found = self.optional_child(name, schema)
        if found is None:
            raise InvalidJsonError(f"{self.where} lacks {name}")
        return found

    def children(self, name: str, schema: Schema) -> tuple[Self, ...]:
        """The objects of a list, none if absent."""
        return tuple(
            self.of(item, f"{self.where}.{name}[{number}]", schema) for number, item in enumerate(self.items(name))
        )

    def _wrong(self, name: str, wanted: str, value: JsonValue) -> InvalidJsonError:
        return InvalidJsonError(f"{self.where}.{name} must be {wanted}, not {_kind(value)}")


def _kind(value: JsonValue) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return "a string"
        case dict():
            return "an object"
        case list():
            return "a list"
        case _:
            return f"the number {value}"
