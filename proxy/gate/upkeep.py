"""What keeps verdicts up to date beside the requests."""

from dataclasses import dataclass

from proxy.gate.promotion import Promotion
from proxy.gate.rescanning import Rescanning


@dataclass(frozen=True, slots=True)
class Upkeep:
    """What was held may be let go, and what was clean may be no longer."""

    promotion: Promotion
    rescanning: Rescanning
