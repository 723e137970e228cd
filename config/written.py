"""Values that stand as text in a document and are read into something better."""

from dataclasses import dataclass
from typing import ClassVar, Self

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema


@dataclass(frozen=True, slots=True)
class WrittenValue:
    """One such value. A subclass reads `text` once it is made, and says what it is called and how long it may be, in
    characters.
    """

    called: ClassVar[str]
    longest: ClassVar[int]

    text: str

    def __str__(self) -> str:
        return self.text

    @classmethod
    def _from_document(cls, value: object) -> Self:
        if isinstance(value, cls):
            return value
        if isinstance(value, str):
            return cls(value)
        raise ValueError(f"a {cls.called} is a string, not {type(value).__name__}; put it in quotes")

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: object, _handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            cls._from_document,
            json_schema_input_schema=core_schema.str_schema(min_length=1, max_length=cls.longest),
            serialization=core_schema.to_string_ser_schema(),
        )
