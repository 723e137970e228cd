"""R packages: the DESCRIPTION of each library folder ("Writing R Extensions", section 1.1.1).

.../library/NAME/DESCRIPTION, .../site-library/NAME/DESCRIPTION
"""

import re

from scanning.errors import InvalidContentError
from scanning.facts import Package
from scanning.packages.fields import checked_name, checked_version, text_of

_DESCRIPTION = re.compile(r"(?:^|.*/)(?:site-)?library/[^/]+/DESCRIPTION")
_READ = frozenset({"Package", "Version", "License"})


def matches(path: str) -> bool:
    """Whether `path` describes an installed R package."""
    return path.endswith("/DESCRIPTION") and _DESCRIPTION.fullmatch(path) is not None


def read(path: str, content: bytes) -> tuple[Package, ...]:
    """The one package described. Raises `InvalidContentError` if it has no name or version, or two different ones."""
    fields: dict[str, str] = {}
    for line in text_of(content).split("\n"):
        key, colon, value = line.partition(":")
        if colon and key in _READ and fields.setdefault(key, value.strip()) != value.strip():
            raise InvalidContentError(f"{path} gives two different values for {key}; reinstall the package")
    if not fields.get("Package") or not fields.get("Version"):
        raise InvalidContentError(f"{path} does not say which package it describes; reinstall the package")
    name = checked_name(fields["Package"], path)
    version = checked_version(fields["Version"], name, path)
    licence = fields.get("License", "")
    return (Package("cran", name, version, name, version, path, licences=(licence,) if licence else ()),)
