"""Python packages: what installers leave beside the code (core metadata specification).

    *.dist-info/METADATA       wheels
    *.egg-info/PKG-INFO        setuptools, in a folder ...
    *.egg-info                 ... and distutils, as a single file
    EGG-INFO/PKG-INFO          unpacked eggs

Only the headers are read. Which installer wrote it does not matter: an INSTALLER file is a claim like any other.
"""

from packaging.utils import canonicalize_name

from scanning.errors import InvalidContentError
from scanning.facts import Package
from scanning.packages.fields import checked_name, checked_version, text_of

METADATA_FOLDERS = (".dist-info", ".egg-info", "/EGG-INFO")
_FILES = (".dist-info/METADATA", ".egg-info/PKG-INFO", "EGG-INFO/PKG-INFO", ".egg-info")
_MAX_LICENCE_LENGTH = 100  # some put the whole text there
_READ = frozenset({"name", "version", "license", "license-expression"})


def matches(path: str) -> bool:
    """Whether `path` is the metadata of an installed package."""
    return path.endswith(_FILES)


def read(path: str, content: bytes) -> tuple[Package, ...]:
    """The one package described; its name is normalised (PEP 503).

    Raises `InvalidContentError` if it has no name or no version, or two different ones.
    """
    headers = _headers(path, text_of(content))
    if not headers.get("name") or not headers.get("version"):
        raise InvalidContentError(
            f"{path} does not say which package it describes: Name or Version is missing; reinstall the package"
        )
    name = canonicalize_name(checked_name(headers["name"], path))
    version = checked_version(headers["version"], name, path)
    licence = headers.get("license-expression") or headers.get("license", "")
    known = licence and licence != "UNKNOWN" and len(licence) <= _MAX_LICENCE_LENGTH
    return (Package("pypi", name, version, name, version, path, licences=(licence,) if known else ()),)


def _headers(path: str, text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for raw in text.split("\n"):
        line = raw.rstrip("\r")
        if not line:
            break
        name, colon, value = line.partition(":")
        key = name.lower()
        if not colon or key not in _READ:  # folded lines and whatever odd tools wrote
            continue
        value = value.strip()
        if found.setdefault(key, value) != value and key in {"name", "version"}:
            raise InvalidContentError(f"{path} gives two different values for {name}; reinstall the package")
    return found
