"""PHP packages: what Composer notes of what it installed (Composer, "installed.json").

    .../vendor/composer/installed.json      {"packages": [{"name": "monolog/monolog", "version": "3.5.0"}]}

Composer 1 wrote the list alone. A leading `v` is how tags are spelt, and no part of the version.
"""

import re
from typing import Any

from scanning.errors import InvalidContentError
from scanning.facts import Package
from scanning.packages.documents import json_value, text_field
from scanning.packages.fields import MAX_NAME_LENGTH, checked_version

_NAME = re.compile(r"[a-z0-9](?:[_.-]?[a-z0-9]++)*+/[a-z0-9](?:(?:[_.]|-{1,2})?[a-z0-9]++)*+", re.IGNORECASE)
_TAG = re.compile(r"v(?=[0-9])")


def matches(path: str) -> bool:
    """Whether `path` is Composer's list of what is installed."""
    return path.endswith("/composer/installed.json")


def read(path: str, content: bytes) -> tuple[Package, ...]:
    """The packages listed. Raises `InvalidContentError` if the list cannot be understood."""
    document = json_value(path, content)
    listed = document.get("packages") if isinstance(document, dict) else document
    if not isinstance(listed, list):
        raise InvalidContentError(f"{path} is no list of packages; run composer install again")
    return tuple(_package(path, entry) for entry in listed)


def _package(path: str, entry: Any) -> Package:
    if not isinstance(entry, dict):
        raise InvalidContentError(f"{path} lists something that is no package; run composer install again")
    name = text_field(path, entry, "name").lower()
    if len(name) > MAX_NAME_LENGTH or _NAME.fullmatch(name) is None:
        raise InvalidContentError(f"{path} names a package {name[:80]!r}, which is no Composer package name")
    version = _TAG.sub("", checked_version(text_field(path, entry, "version"), name, path), count=1)
    licences = entry.get("license")
    kept = tuple(one for one in licences if isinstance(one, str)) if isinstance(licences, list) else ()
    return Package("composer", name, version, name, version, path, licences=kept)
