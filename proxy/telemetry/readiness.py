"""Whether the gate can do its work now: what must answer, and what an operator should know."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import structlog

from config.errors import ImagegateError

_MAX_AGE_SECONDS = 2.0
_PATIENCE_SECONDS = 5.0
_log = structlog.get_logger(__name__)
Check = Callable[[], Awaitable[None]]
Warnings = Callable[[], Awaitable[tuple[str, ...]]]


@dataclass(frozen=True, slots=True)
class Report:
    """How each part answered, and whether all did that the gate needs; `warnings` are sentences that do not stop it.

    A gate that drains is not ready, whatever its parts say.
    """

    parts: Mapping[str, bool]
    warnings: tuple[str, ...]
    ready: bool
    draining: bool = False


class Readiness:
    """Asks the parts, and remembers for two seconds: whoever may ask for free must not load what is behind.

    A check returns, or raises an `ImagegateError`; one that takes longer than five seconds has failed. `further` is
    asked too, and only warned about: every replica shares these parts, so that taking one out of service because of
    them would take out all, with everything that does not need them.
    """

    def __init__(
        self,
        checks: Mapping[str, Check],
        warnings: Warnings,
        monotonic: Callable[[], float],
        further: Mapping[str, Check] = MappingProxyType({}),
    ) -> None:
        self._needed = checks.keys()
        self._checks = {**checks, **further}
        self._warnings = warnings
        self._monotonic = monotonic
        self._lock = asyncio.Lock()
        self._last: tuple[float, Report] | None = None
        self._is_draining = False

    @property
    def is_draining(self) -> bool:
        """Whether the gate is about to stop."""
        return self._is_draining

    def drain(self) -> None:
        """Say from now on that no traffic should be sent here: the gate is about to stop."""
        self._is_draining = True

    async def report(self) -> Report:
        """The state of everything."""
        async with self._lock:
            now = self._monotonic()
            if self._last is None or now - self._last[0] >= _MAX_AGE_SECONDS:
                self._last = now, await self._ask()
            report = self._last[1]
            return replace(report, ready=False, draining=True) if self._is_draining else report

    async def _ask(self) -> Report:
        answers = await asyncio.gather(*(self._answers(name, check) for name, check in self._checks.items()))
        parts = dict(zip(self._checks, answers, strict=True))
        missing = tuple(
            f"{name} does not answer, so its repositories cannot be pulled"
            for name, ok in parts.items()
            if not ok and name not in self._needed
        )
        ready = all(parts[name] for name in self._needed)
        return Report(parts, (*await self._warnings(), *missing), ready)

    @staticmethod
    async def _answers(name: str, check: Check) -> bool:
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                await check()
        except (ImagegateError, TimeoutError) as error:
            _log.warning("not ready", part=name, problem=str(error))  # the address of a part is for the log only
            return False
        return True
