"""How much is measured, and where."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Amount(StrEnum):
    """How much: `tiny` only shows that everything runs."""

    FULL = "full"
    QUICK = "quick"
    TINY = "tiny"


_ROUNDS = {Amount.FULL: 5, Amount.QUICK: 2, Amount.TINY: 1}
_SECONDS = {Amount.FULL: 4.0, Amount.QUICK: 1.0, Amount.TINY: 0.2}
_WARM_UP_SECONDS = {Amount.FULL: 1.0, Amount.QUICK: 1.0, Amount.TINY: 0.0}
_SCALE = {Amount.FULL: 1, Amount.QUICK: 10, Amount.TINY: 250}


@dataclass(frozen=True, slots=True)
class Plan:
    """Servers take ports from `first_port` on, files go to `folder`."""

    amount: Amount
    folder: Path
    first_port: int

    @property
    def quick(self) -> bool:
        """Whether less than everything is wanted."""
        return self.amount is not Amount.FULL

    @property
    def rounds(self) -> int:
        """How many times each is measured."""
        return _ROUNDS[self.amount]

    @property
    def seconds(self) -> float:
        """How long one measurement takes, where it is measured by time."""
        return _SECONDS[self.amount]

    @property
    def warm_up_seconds(self) -> float:
        """How long servers are asked before they are measured, where their first answers are slower than others."""
        return _WARM_UP_SECONDS[self.amount]

    def scaled(self, full: int) -> int:
        """How much of something that is measured by amount; at least one."""
        return max(1, full // _SCALE[self.amount])

    def port(self, number: int) -> int:
        """The port of the server `number` of a row."""
        return self.first_port + number
