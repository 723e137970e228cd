"""npm packages: every `package.json` that names a package and its version.

    node_modules/NAME/package.json              an installation
    node_modules/A/node_modules/NAME/...        one nested in it, or in pnpm's node_modules/.pnpm/A@1
    node_modules/A/test/node_modules/NAME/...   below a folder of A's own: bundled, or a fixture of A's tests

    usr/share/nodejs/NAME/package.json          a distribution's
    app/package.json                            an application's own

All of these count, since Node would load any of them. But only in the first two is a broken file a problem: packages
ship tests with broken ones, on purpose. Outside of node_modules folders a file counts if it has both a name and a
version: `{"type": "module"}` in a subfolder is no package.

An installation without a name is called as its folder is; one without a version has the version "": advisories
then cannot rule it out.
"""

import re
from collections.abc import Mapping
from typing import Any

from scanning.errors import InvalidContentError
from scanning.facts import Package
from scanning.packages.documents import json_object
from scanning.packages.fields import MAX_NAME_LENGTH, checked_version

_STEP = r"node_modules/(?:\.[^/]+/[^/]+/node_modules/)?(?:@[^/]+/)?[^./@][^/]*"
_INSTALLED = re.compile(rf"(?:{_STEP}/)+package\.json")
_ANYWHERE = re.compile(r"(?:^|.*/)node_modules/((?:@[^/]+/)?[^./@][^/]*)/package\.json")
_NAME = re.compile(r"(?:@[A-Za-z0-9._~!'()*-]+/)?[A-Za-z0-9_~!'()*-][A-Za-z0-9._~!'()*-]*")


def matches(path: str) -> bool:
    """Whether `path` may describe a package."""
    return path.endswith("/package.json") or path == "package.json"


def read(path: str, content: bytes) -> tuple[Package, ...]:
    """The one package described, none for a fixture that is broken or a file that names none.

    Raises `InvalidContentError` if an installation's file cannot be understood.
    """
    try:
        return (_package(path, content),)
    except InvalidContentError:
        if is_installation(path):
            raise
        return ()


def is_installation(path: str) -> bool:
    """Whether `path` is where npm puts what it installs."""
    if "node_modules/" not in path:
        return False
    start = 0 if path.startswith("node_modules/") else path.find("/node_modules/") + 1
    return _INSTALLED.fullmatch(path, start) is not None


def _package(path: str, content: bytes) -> Package:
    document = json_object(path, content)
    folder = _ANYWHERE.fullmatch(path)
    name = document.get("name") or (folder[1] if folder else "")
    version = document.get("version") or ""
    if folder is None and not (name and version):
        raise InvalidContentError(f"{path} names no package and version")
    if not isinstance(name, str) or len(name) > MAX_NAME_LENGTH or _NAME.fullmatch(name) is None:
        raise InvalidContentError(
            f"{path} names a package {str(name)[:80]!r}, which is no npm package name; reinstall the package"
        )
    if not isinstance(version, str):
        raise InvalidContentError(f"{path} gives package {name} a version that is no text; reinstall the package")
    version = checked_version(version.strip(), name, path) if version.strip() else ""
    return Package("npm", name, version, name, version, path, licences=_licences(document))


def _licences(document: Mapping[str, Any]) -> tuple[str, ...]:
    """`"license": "MIT"`, and what packages had before: an object with a type, or a list of these in `licenses`."""
    told = document.get("license") or document.get("licenses")
    listed = told if isinstance(told, list) else [told]
    names = (one.get("type") if isinstance(one, dict) else one for one in listed)
    return tuple(dict.fromkeys(name for name in names if isinstance(name, str) and name))
