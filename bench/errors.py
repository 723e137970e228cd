"""What keeps a benchmark from meaning anything."""

from config.errors import ImagegateError


class BenchError(ImagegateError):
    """A server did not start, a port is taken, or an answer was not the one that was to be measured."""
