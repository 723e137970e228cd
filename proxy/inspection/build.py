"""The inspection pool as the settings describe it."""

import os
from dataclasses import fields

from config.settings import Inspection
from proxy.inspection.pool import InspectionPool
from scanning.layers.limits import InspectionLimits

_RESERVED = 1
"""Kept for images that somebody waits for, while uploads take the others (threat 75)."""


def inspection_pool(settings: Inspection, *, takes_uploads: bool = True) -> InspectionPool:
    """Make the pool of these settings; it is not started yet. None of it is reserved where nobody uploads."""
    kept = _RESERVED if takes_uploads else 0
    limits = InspectionLimits(**{field.name: getattr(settings, field.name) for field in fields(InspectionLimits)})
    size = settings.workers or (os.cpu_count() or 1) + kept
    reserved = kept if size > 1 else 0
    return InspectionPool(
        size,
        limits,
        idle_seconds=settings.idle_seconds,
        reserved=reserved,
        waiting=settings.waiting_per_token,
    )
