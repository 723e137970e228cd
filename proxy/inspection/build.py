"""The inspection pool as the settings describe it."""

import os
from dataclasses import fields

from config.settings import Inspection
from proxy.inspection.places import Places
from proxy.inspection.pool import InspectionPool
from proxy.inspection.shared_template import SharedEnd
from scanning.layers.limits import InspectionLimits

_RESERVED = 1
"""Kept for images that somebody waits for, while uploads take the others (threat 75)."""

_UPLOADS_PER_PROCESSOR = 4
"""A few more than processors can inspect at once: what is read back instead is read twice."""


def uploads_at_a_time(settings: Inspection) -> int:
    """How many uploads are inspected on their way, at least; 0: as many as workers can that are there anyway."""
    return settings.uploads or (0 if settings.workers else _UPLOADS_PER_PROCESSOR * (os.cpu_count() or 1))


def inspection_pool(
    settings: Inspection,
    *,
    takes_uploads: bool = True,
    places: Places | None = None,
    shared: SharedEnd | None = None,
) -> InspectionPool:
    """Make the pool of these settings; it is not started yet. None of it is reserved where nobody uploads. `places` are
    for the uploads of several processes, and `shared` is the template of their workers.
    """
    kept = _RESERVED if takes_uploads else 0
    limits = InspectionLimits(**{field.name: getattr(settings, field.name) for field in fields(InspectionLimits)})
    size = settings.workers or (os.cpu_count() or 1) + kept
    guests = max(0, uploads_at_a_time(settings) + kept - size) if takes_uploads else 0
    reserved = kept if size + guests > 1 else 0
    pool = InspectionPool(
        size,
        limits,
        idle_seconds=settings.idle_seconds,
        reserved=reserved,
        waiting=settings.waiting_per_token,
        guests=guests,
    )
    pool.places = places
    pool.shared = shared
    return pool
