"""When what failed is tried again: after a second, then after twice as long each time."""

from collections.abc import Callable, Collection, Hashable
from typing import Generic, TypeVar

_FIRST_SECONDS = 1.0
_LONGEST_SECONDS = 600.0
Key = TypeVar("Key", bound=Hashable)


class Pauses(Generic[Key]):
    """What failed, by key, as this process remembers it. `monotonic` counts seconds, `longest` is the longest pause."""

    def __init__(self, monotonic: Callable[[], float], longest: float = _LONGEST_SECONDS) -> None:
        self._monotonic = monotonic
        self._longest = longest
        self._failed: dict[Key, tuple[float, float]] = {}

    def is_due(self, key: Key) -> bool:
        """Whether to try it now: it has not failed yet, or long enough ago."""
        pause, since = self._failed.get(key, (0.0, 0.0))
        return not pause or self._monotonic() - since >= pause

    def failed(self, key: Key) -> None:
        """It failed just now."""
        pause, _ = self._failed.get(key, (0.0, 0.0))
        self._failed[key] = min(2 * pause or _FIRST_SECONDS, self._longest), self._monotonic()

    def keep_only(self, keys: Collection[Key]) -> None:
        """Forget all others: they were done, or are wanted no more."""
        self._failed = {key: self._failed[key] for key in keys if key in self._failed}
