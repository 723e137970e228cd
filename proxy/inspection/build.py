"""The inspection pool as the settings describe it."""

import os
from dataclasses import fields

from config.settings import Inspection
from proxy.inspection.pool import InspectionPool
from scanning.layers.limits import InspectionLimits


def inspection_pool(settings: Inspection) -> InspectionPool:
    """Make the pool of these settings; it is not started yet."""
    limits = InspectionLimits(**{field.name: getattr(settings, field.name) for field in fields(InspectionLimits)})
    size = settings.workers or os.cpu_count() or 1
    return InspectionPool(size, limits, idle_seconds=settings.idle_seconds)
