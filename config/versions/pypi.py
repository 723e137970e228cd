"""Python's version order (PEP 440), as `packaging` has it."""

from packaging.version import InvalidVersion, Version

from config.versions.errors import InvalidVersionError


def _version(text: str) -> Version:
    try:
        return Version(text)
    except InvalidVersion as error:
        raise InvalidVersionError(f"{text!r} is not a Python version in the sense of PEP 440") from error


def compare(one: str, other: str) -> int:
    """Order two Python versions: -1, 0 or 1. Raises `InvalidVersionError` where one is not PEP 440."""
    left, right = _version(one), _version(other)
    return (left > right) - (left < right)
