"""npm packages: `package.json` of whatever lies in a node_modules folder.

    node_modules/NAME/package.json              an installation
    node_modules/A/node_modules/NAME/...        one nested in it, or in pnpm's node_modules/.pnpm/A@1
    node_modules/A/test/node_modules/NAME/...   below a folder of A's own: bundled, or a fixture of A's tests

All three count, since Node would load any of them. But only in the first two is a broken file a problem: packages
ship tests with broken ones, on purpose. Every other `package.json` (an application's own, `{"type": "module"}` in
a subfolder) is no installation.

An installation without a name is called as its folder is; one without a version has the version "": advisories
then cannot rule it out.
"""

import re

from scanning.errors import InvalidContentError
from scanning.facts import Package
from scanning.packages.documents import json_object
from scanning.packages.fields import MAX_NAME_LENGTH, checked_version

_STEP = r"node_modules/(?:\.[^/]+/[^/]+/node_modules/)?(?:@[^/]+/)?[^./@][^/]*"
_INSTALLED = re.compile(rf"(?:{_STEP}/)+package\.json")
_ANYWHERE = re.compile(r"(?:^|.*/)node_modules/((?:@[^/]+/)?[^./@][^/]*)/package\.json")
_NAME = re.compile(r"(?:@[A-Za-z0-9._~!'()*-]+/)?[A-Za-z0-9_~!'()*-][A-Za-z0-9._~!'()*-]*")


def matches(path: str) -> bool:
    """Whether `path` describes a package in a node_modules folder."""
    return path.endswith("/package.json") and _ANYWHERE.fullmatch(path) is not None


def read(path: str, content: bytes) -> tuple[Package, ...]:
    """The one package described, none for a fixture that is broken.

    Raises `InvalidContentError` if an installation's file cannot be understood.
    """
    try:
        return (_package(path, content),)
    except InvalidContentError:
        if _is_installation(path):
            raise
        return ()


def _is_installation(path: str) -> bool:
    start = 0 if path.startswith("node_modules/") else path.index("/node_modules/") + 1
    return _INSTALLED.fullmatch(path, start) is not None


def _package(path: str, content: bytes) -> Package:
    document = json_object(path, content)
    folder = _ANYWHERE.fullmatch(path)
    name = document.get("name") or (folder[1] if folder else "")
    version = document.get("version") or ""
    if not isinstance(name, str) or len(name) > MAX_NAME_LENGTH or _NAME.fullmatch(name) is None:
        raise InvalidContentError(
            f"{path} names a package {str(name)[:80]!r}, which is no npm package name; reinstall the package"
        )
    if not isinstance(version, str):
        raise InvalidContentError(f"{path} gives package {name} a version that is no text; reinstall the package")
    version = checked_version(version.strip(), name, path) if version.strip() else ""
    licence = document.get("license")
    licences = (licence,) if isinstance(licence, str) and licence else ()
    return Package("npm", name, version, name, version, path, licences=licences)
