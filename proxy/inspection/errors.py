"""What can go wrong with the inspection itself, which says nothing about the layer."""

from config.errors import ImagegateError


class InspectionFailedError(ImagegateError):
    """A layer could not be inspected: its worker died, hung or was stopped. It may be tried again."""
