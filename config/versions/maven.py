"""Maven's version order (Maven, "POM reference: Version Order Specification")."""

import re

from univers.maven import Version

from config.versions.errors import InvalidVersionError

_GRAMMAR = re.compile(r"[0-9A-Za-z]++(?:[.+_-]*+[0-9A-Za-z]++)*+")
_RELEASE = re.compile(r"[.-](?:release|ga|final)$", re.IGNORECASE)
"""Qualifiers that stand for none at all."""


def _version(text: str) -> Version:
    if _GRAMMAR.fullmatch(text) is None:
        raise InvalidVersionError(f"{text!r} is not a Maven version: letters and digits between dots and hyphens")
    return Version(_RELEASE.sub("", text))  # type: ignore[no-untyped-call]  # the library types nothing


def compare(one: str, other: str) -> int:
    """Order two Maven versions: -1, 0 or 1. Raises `InvalidVersionError` for what cannot be one."""
    left, right = _version(one), _version(other)
    return int(left > right) - int(left < right)
