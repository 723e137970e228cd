"""What must not be in a log: secrets (threat 81), and characters that forge lines or drive terminals (threat 82)."""

import re
from collections.abc import Mapping, MutableMapping
from typing import Any

from storage.printable import printable

MASK = "[redacted]"
_TOKEN = re.compile(r"igt_[0-9A-Za-z_-]+")
_CREDENTIAL = re.compile(r"\b(Bearer|Basic)\s+(?!realm=)[A-Za-z0-9._~+/=-]+", re.IGNORECASE)
_JWT = re.compile(r"\beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")
_IN_URL = re.compile(r"(?<=://)[^/\s:@]*:[^/\s@]+(?=@)")
_ASSIGNED = re.compile(
    r"\b(password|passwd|secret|access_token|refresh_token)(\"?\s*[=:]\s*\"?)[^\s&\",}]+", re.IGNORECASE
)
_SECRET_KEYS = re.compile(r"password|passwd|secret|authorization|cookie|token|credential", re.IGNORECASE)
_DEPTH = 6


def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: every text in the event, at any depth, without secrets and control characters."""
    return {printable(key): _clean(key, value, _DEPTH) for key, value in event.items()}


def clean_text(text: str) -> str:
    """`text` without secrets, its control characters escaped."""
    text = _TOKEN.sub(MASK, text)
    text = _CREDENTIAL.sub(rf"\1 {MASK}", text)
    text = _JWT.sub(MASK, text)
    text = _IN_URL.sub(MASK, text)
    text = _ASSIGNED.sub(rf"\1\2{MASK}", text)
    return printable(text)


def _clean(key: str, value: Any, depth: int) -> Any:
    if _SECRET_KEYS.search(key) and value not in (None, "", True, False):
        return MASK
    if isinstance(value, str):
        return clean_text(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    if depth == 0:
        return clean_text(repr(value))
    if isinstance(value, Mapping):
        return {printable(str(name)): _clean(str(name), item, depth - 1) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean("", item, depth - 1) for item in value]
    return clean_text(str(value))
