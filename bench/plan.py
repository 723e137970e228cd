"""How much is measured, and where."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Plan:
    """`quick` measures less, of smaller content. Servers take ports from `first_port` on, files go to `folder`."""

    quick: bool
    folder: Path
    first_port: int

    @property
    def rounds(self) -> int:
        """How many times each is measured."""
        return 2 if self.quick else 5

    @property
    def seconds(self) -> float:
        """How long one measurement takes."""
        return 1 if self.quick else 4

    def port(self, number: int) -> int:
        """The port of the server `number` of a row."""
        return self.first_port + number
