"""Several serving processes for one gate: the place of each, and its share of what is bounded for all."""

import os
from dataclasses import dataclass

from config.settings import Settings
from proxy.inspection.build import uploads_at_a_time


@dataclass(frozen=True, slots=True)
class Seat:
    """The place of one process among those that serve; a process that replaces another takes its seat."""

    number: int = 0
    of: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process does what one alone must do, beside serving."""
        return self.number == 0


def share_of(settings: Settings, processes: int) -> Settings:
    """What one of `processes` may do, so that together they do what `settings` allow, rounded up.

    Each keeps at least one inspection worker for images that somebody waits for, beside those for uploads. Uploads come
    to whichever process they meet, so each may inspect all that the gate may, and takes `upload_places` for them.
    """
    if processes == 1:
        return settings
    wanted = settings.inspection.workers
    workers = _part(wanted, processes) if wanted else _part(os.cpu_count() or 1, processes) + 1
    uploads = uploads_at_a_time(settings.inspection)
    throttle = {name: _part(getattr(settings.throttle, name), processes) for name in ("failures", "refusals")}
    default, *prefixed = (
        upstream.model_copy(update={"max_connections": _part(upstream.max_connections, processes)})
        for upstream in (settings.upstream, *settings.upstreams)
    )
    return settings.model_copy(
        update={
            "inspection": settings.inspection.model_copy(update={"workers": workers, "uploads": uploads}),
            "throttle": settings.throttle.model_copy(update=throttle),
            "upstream": default,
            "upstreams": tuple(prefixed),
        }
    )


def upload_places(share: Settings, processes: int) -> int:
    """How many uploads all of `processes` may inspect at a time, where each has this `share`; 0: as many as their
    workers can that are there anyway.
    """
    uploads = share.inspection.uploads
    return max(uploads, processes * (share.inspection.workers - 1)) if uploads else 0


def _part(whole: int, processes: int) -> int:
    return -(-whole // processes)
