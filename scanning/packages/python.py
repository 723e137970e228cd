"""Python packages: what installers leave beside the code (core metadata specification).

    *.dist-info/METADATA       wheels
    *.egg-info/PKG-INFO        setuptools, in a folder ...
    *.egg-info                 ... and distutils, as a single file
    EGG-INFO/PKG-INFO          unpacked eggs
    *.dist-info/RECORD         what a wheel installed: path, sha256=digest in base64, size

Only the headers are read. Which installer wrote it does not matter: an INSTALLER file is a claim like any other.
"""

import base64
import binascii
import csv
from contextlib import suppress
from posixpath import normpath

from packaging.utils import canonicalize_name

from scanning.errors import InvalidContentError
from scanning.facts import Ownership, Package
from scanning.packages.fields import checked_name, checked_version, text_of

METADATA_FOLDERS = (".dist-info", ".egg-info", "/EGG-INFO")
_FILES = (".dist-info/METADATA", ".egg-info/PKG-INFO", "EGG-INFO/PKG-INFO", ".egg-info")
_RECORD = ".dist-info/RECORD"
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


def records_ownership(path: str) -> bool:
    """Whether `path` tells what a package installed."""
    return path.endswith(_RECORD)


def ownership(path: str, content: bytes) -> tuple[Ownership, ...]:
    """What one package installed, and the digests of it ("Recording installed projects"). Other lines are left out."""
    folder = path.removesuffix("/RECORD")
    site, _, title = folder.rpartition("/")
    files: dict[str, str] = {}
    with suppress(csv.Error):
        for row in csv.reader(text_of(content).split("\n")):
            if len(row) == 3 and row[0]:
                file = normpath(f"{site}/{row[0]}" if not row[0].startswith("/") else row[0]).lstrip("/")
                if file.partition("/")[0] != "..":
                    files[file] = _digest(row[1])
    name = title.removesuffix(".dist-info").partition("-")[0]
    if not name or not files:
        return ()
    return (Ownership(canonicalize_name(name), tuple(files), "sha256", tuple(files.values()), type="pypi"),)


def _digest(stated: str) -> str:
    algorithm, _, encoded = stated.partition("=")
    try:
        decoded = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)) if algorithm == "sha256" else b""
    except (binascii.Error, ValueError):
        return ""
    return decoded.hex()


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
