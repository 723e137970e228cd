"""JSON documents in which installers note what they installed."""

import json
from typing import Any

from scanning.errors import InvalidContentError
from scanning.packages.fields import text_of


def json_object(path: str, content: bytes) -> dict[str, Any]:
    """The JSON object in the file `path`. Raises `InvalidContentError` if it is none."""
    document = json_value(path, content)
    if not isinstance(document, dict):
        raise InvalidContentError(f"{path} is no JSON object; reinstall the package")
    return document


def json_value(path: str, content: bytes) -> Any:
    """The JSON value in the file `path`. Raises `InvalidContentError` if it is none.

    Half of a surrogate pair, which JSON can escape and UTF-8 cannot write, becomes `?`.
    """
    text = text_of(content)
    try:
        value = json.loads(text)
        if "\\ud" in text.lower():
            value = json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
    except (ValueError, RecursionError) as error:
        raise InvalidContentError(f"{path} is no JSON ({error}); reinstall the package") from error
    return value


def text_field(path: str, document: dict[str, Any], name: str) -> str:
    """A field that must be a text with something in it. Raises `InvalidContentError`."""
    value = document.get(name)
    if not isinstance(value, str) or not value.strip():
        raise InvalidContentError(f"{path} does not say the {name} of a package; reinstall the package")
    return value.strip()
