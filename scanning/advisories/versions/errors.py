"""What the version orders refuse."""

from scanning.errors import InvalidContentError


class InvalidVersionError(InvalidContentError):
    """A version outside its ecosystem's grammar: it cannot be compared, so whoever asked must not skip it."""
