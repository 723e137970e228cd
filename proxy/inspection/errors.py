"""What can go wrong with the inspection itself, which says nothing about the layer."""

from config.errors import ImagegateError


class InspectionQueueFullError(ImagegateError):
    """Too much of one tenant's waits to be inspected already."""


class InspectionFailedError(ImagegateError):
    """A layer could not be inspected: its worker died, hung or was stopped. It may be tried again."""
