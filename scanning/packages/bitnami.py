"""What Bitnami's images hold: the bill of materials beside each component (SPDX 2.3, JSON).

    opt/bitnami/NAME/.spdx-NAME.spdx        {"packages": [{"name": "postgresql", "versionInfo": "16.2.0-1", ...}]}

What is told counts as a package; nothing that is found otherwise is taken away because of it.
"""

import re
from typing import Any

from packageurl import PackageURL

from scanning.errors import InvalidContentError
from scanning.facts import Package
from scanning.packages.documents import json_object
from scanning.packages.fields import checked_name, checked_version

_DOCUMENT = re.compile(r"opt/bitnami/(?:[^/]+/)*\.spdx-[^/]+\.spdx")
_TYPE = "bitnami"
_NO_LICENCE = frozenset({"", "NONE", "NOASSERTION"})


def matches(path: str) -> bool:
    """Whether `path` is the bill of materials of a component."""
    return path.endswith(".spdx") and _DOCUMENT.fullmatch(path) is not None


def read(path: str, content: bytes) -> tuple[Package, ...]:
    """The packages of Bitnami's own. Raises `InvalidContentError` if the document cannot be understood."""
    listed = json_object(path, content).get("packages", [])
    if not isinstance(listed, list) or not all(isinstance(entry, dict) for entry in listed):
        raise InvalidContentError(f"{path} has packages that are no list of packages; pull the base image again")
    return tuple(dict.fromkeys(package for entry in listed for package in _packages(path, entry)))


def _packages(path: str, entry: dict[str, Any]) -> list[Package]:
    references = entry.get("externalRefs") or []
    if not isinstance(references, list):
        raise InvalidContentError(f"{path} has externalRefs that are no list; pull the base image again")
    purls = [
        reference.get("referenceLocator")
        for reference in references
        if isinstance(reference, dict) and reference.get("referenceType") == "purl"
    ]
    found = []
    for text in purls:
        try:
            purl = PackageURL.from_string(str(text))
        except ValueError as error:
            raise InvalidContentError(f"{path} holds {str(text)[:80]!r}, which is no package URL") from error
        if purl.type != _TYPE:
            continue
        name = checked_name(purl.name, path)
        version = checked_version(purl.version or str(entry.get("versionInfo", "")), name, path)
        licence = str(entry.get("licenseDeclared") or "")
        kept = () if licence in _NO_LICENCE else (licence,)
        found.append(Package(_TYPE, name, version, name, version, path, licences=kept))
    return found
