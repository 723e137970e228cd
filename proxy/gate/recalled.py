"""A pull that was allowed a moment ago, to be allowed again without asking anybody."""

from collections.abc import Callable
from dataclasses import dataclass

from storage.audit import RepeatedRecord


@dataclass(frozen=True, slots=True)
class Recalled:
    """`record` is what each time is recorded as, None where nothing is; `holds` says whether it would still be allowed.

    It holds as long as the very decision it was made from is remembered and stands.
    """

    record: RepeatedRecord | None
    holds: Callable[[], bool]
