"""What the fuzzing command asks its runner for."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Job:
    """A target to fuzz until libFuzzer's options say that it is enough; what is said of it goes to the file `log`."""

    target: str
    options: Sequence[str]
    log: str
