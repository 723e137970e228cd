"""What the version orders refuse."""

from config.errors import ImagegateError


class InvalidVersionError(ImagegateError, ValueError):
    """A version outside its ecosystem's grammar: it cannot be compared, so whoever asked must not skip it. A
    `ValueError` too, so that pydantic gathers it.
    """
