"""What is wrong with a token that somebody wants made or ended, for commands that need nothing of the wire."""

from config.errors import ImagegateError


class UnusableTokenError(ImagegateError):
    """Nobody could tell the token from others, or use it."""


class LastAdministratorError(ImagegateError):
    """Nobody would be left who administers what the holder of the token does."""
