"""RubyGems' version order (Gem::Version): segments of digits and of letters, letters being pre-releases."""

from univers.gem import GemVersion

from config.versions.errors import InvalidVersionError


def _version(text: str) -> GemVersion:
    if not GemVersion.is_correct(text):
        raise InvalidVersionError(f"{text!r} is not a gem's version: segments of letters and digits between dots")
    return GemVersion(text)  # type: ignore[no-untyped-call]  # the library types nothing


def compare(one: str, other: str) -> int:
    """Order two versions of a gem: -1, 0 or 1. Raises `InvalidVersionError` outside the grammar."""
    left, right = _version(one), _version(other)
    return int(left > right) - int(left < right)
