"""Paths in an archive, as runtimes resolve them: relative to the root, `.` and empty components dropped, no `..`."""

import re

from scanning.errors import LimitExceededError, UnreadableLayerError
from scanning.layers.limits import InspectionLimits

_LOOKS_ESCAPED = re.compile(rb"\\(?=x(?:5c|[89a-f][0-9a-f]))")

_UNUSUAL_START = frozenset({"", ".", "/"})


def to_text(raw: bytes) -> str:
    """Show bytes as text; bytes that are not UTF-8 become `\\xNN`.

    No two names give one text: a backslash that looks like such an escape is itself shown as `\\x5c`. Otherwise a
    whiteout for one name could make the gate forget another.
    """
    if b"\\x" in raw:
        raw = _LOOKS_ESCAPED.sub(rb"\\x5c", raw)
    return raw.decode("utf-8", "backslashreplace")


def archive_path(raw: bytes, limits: InspectionLimits) -> str:
    """Normalise a member's name; "" is the root itself.

    A leading `/` or `./` is dropped as every runtime does. Raises `UnreadableLayerError` for an empty name or one
    with `..`, `LimitExceededError` for one too long or too deep.
    """
    if len(raw) > limits.path_length:
        raise LimitExceededError("path_length", limits.path_length, entry=to_text(raw[:100]))
    if not raw:
        raise UnreadableLayerError("a member has no name")
    text = to_text(raw) if b"\\" in raw else raw.decode("utf-8", "backslashreplace")
    text = text.rstrip("/").removeprefix("./")
    if "/./" in text or "/.." in text or "//" in text or text[:1] in _UNUSUAL_START or text.endswith("/."):
        components = [component for component in text.split("/") if component not in {"", "."}]
        if ".." in components:
            raise UnreadableLayerError("a name leads upwards with `..`", entry=text)
        text = "/".join(components)
    if text.count("/") >= limits.path_depth:
        raise LimitExceededError("path_depth", limits.path_depth, entry=text[:100])
    return text
