"""Digests (OCI image specification, descriptor.md)."""

import hashlib
import re
from dataclasses import dataclass
from typing import Any, Self

from pydantic_core import CoreSchema, core_schema

from scanning.errors import InvalidDigestError

_HEX_LENGTH = {"sha256": 64, "sha512": 128}
_GRAMMAR = re.compile(r"(sha256|sha512):([0-9a-f]+)")


@dataclass(frozen=True, slots=True, order=True)
class Digest:
    """A registered digest: `algorithm` is sha256 or sha512, `hex` its lower-case value of the right length."""

    algorithm: str
    hex: str

    def __post_init__(self) -> None:
        if _GRAMMAR.fullmatch(str(self)) is None or len(self.hex) != _HEX_LENGTH[self.algorithm]:
            raise InvalidDigestError(
                f"{str(self)[:200]!r} is not a digest: expected sha256:<64 hex> or sha512:<128 hex>"
            )

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `algorithm:hex`. Raises `InvalidDigestError` on anything else."""
        algorithm, _, value = text.partition(":")
        return cls(algorithm, value)

    @classmethod
    def of(cls, content: bytes, algorithm: str = "sha256") -> Self:
        """Hash `content` whole."""
        return cls(algorithm, hashlib.new(algorithm, content).hexdigest())

    @property
    def short(self) -> str:
        """Twelve hex digits, for people."""
        return self.hex[:12]

    @property
    def abbreviated(self) -> str:
        """The same with its algorithm, and a sign that it goes on."""
        return f"{self.algorithm}:{self.short}…"

    def matches(self, content: bytes) -> bool:
        """Whether `content` has this digest."""
        return Digest.of(content, self.algorithm) == self

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: object, _handler: Any) -> CoreSchema:
        """Documents hold a digest as its text."""
        parse = core_schema.no_info_after_validator_function(cls.parse, core_schema.str_schema())
        return core_schema.json_or_python_schema(
            json_schema=parse,
            python_schema=core_schema.union_schema([core_schema.is_instance_schema(cls), parse]),
            serialization=core_schema.to_string_ser_schema(),
        )

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.hex}"
