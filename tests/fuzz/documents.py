"""Manifests and image configurations that are changed: what is accepted means one thing to every reader."""

import json
from contextlib import suppress
from typing import Any

from scanning.errors import InvalidContentError
from scanning.oci import media_types
from scanning.oci.read import read_config, read_manifest
from tests.fuzz import forge
from tests.scanning.oci.shapes import CONFIGS, MANIFESTS

_MANIFESTS = [document for document, _ in MANIFESTS.values()]
_CONFIGS = list(CONFIGS.values())
_MAPS = frozenset({"annotations", "Labels", "ExposedPorts", "Volumes"})
"""Whose keys are data, which nobody folds."""


def forged_manifest(data: bytes) -> None:
    """A manifest or an index: its descriptors are those that stand in it, in their order (threats 39 to 45)."""
    document = forge.forged(_MANIFESTS[(data or b"\0")[0] % len(_MANIFESTS)], data[1:])
    written = forge.text_of(document)
    for media_type in media_types.ACCEPT_MANIFESTS:
        with suppress(InvalidContentError):
            read = read_manifest(written, media_type)
            _check_keys(document)
            assert (document.get("mediaType") or media_type) == media_type
            assert [str(one.digest) for one in read.layers] == _digests(document.get("layers"))
            assert [str(one.digest) for one in read.children] == _digests(document.get("manifests"))
            assert not (read.layers and read.children)


def forged_config(data: bytes) -> None:
    """An image configuration: its layers and its user are those that stand in it."""
    document = forge.forged(_CONFIGS[(data or b"\0")[0] % len(_CONFIGS)], data[1:])
    with suppress(InvalidContentError):
        read = read_config(forge.text_of(document))
        _check_keys(document)
        assert [str(one) for one in read.diff_ids] == list(document["rootfs"].get("diff_ids") or ())
        assert read.user == ((document.get("config") or {}).get("User") or "")


def _digests(listed: Any) -> list[str]:
    return [one["digest"] for one in listed or ()]


def _check_keys(document: Any, *, is_map: bool = False) -> None:
    """No two keys of an object are one to a reader that folds them (threat 39), and no text is half of something."""
    if isinstance(document, dict):
        assert is_map or len({key.casefold() for key in document}) == len(document), document
        for key, value in document.items():
            _check_keys(value, is_map=key in _MAPS)
    elif isinstance(document, list):
        for value in document:
            _check_keys(value)
    elif isinstance(document, str):
        json.dumps(document, ensure_ascii=False).encode()
