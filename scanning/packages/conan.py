"""Conan packages: what Conan notes beside each binary it has (Conan 1 and 2, "conaninfo.txt").

    .../data/NAME/VERSION/USER/CHANNEL/package/ID/conaninfo.txt     what it is built on
        [full_requires]
        zlib/1.2.13:ID

A reference is `name/version`, with a user, a channel, a revision or a package's id after it, or without.
"""

import re
from collections.abc import Iterator

from scanning.facts import Package
from scanning.packages.fields import checked_name, checked_version, text_of

_FILE = "/conaninfo.txt"
_PLACE = re.compile(r"(?:.*/)?\.conan/data/(?P<name>[^/]+)/(?P<version>[^/]+)/[^/]+/[^/]+/package/[^/]+/conaninfo\.txt")
_SECTIONS = frozenset({"full_requires", "requires"})
_REFERENCE = re.compile(
    r"(?P<name>[a-z0-9_][a-z0-9_+.-]{1,100})/(?P<version>[A-Za-z0-9_][A-Za-z0-9_+.-]{0,100})(?=[@#:]|$)"
)


def matches(path: str) -> bool:
    """Whether `path` is what Conan notes of a binary."""
    return path.endswith(_FILE)


def read(path: str, content: bytes) -> tuple[Package, ...]:
    """The package whose binary it is, where Conan 1 keeps it, and those that it is built on.

    Lines that are no reference say nothing, and ranges such as `1.Y.Z` name no version.
    """
    return tuple(dict.fromkeys(_references(path, text_of(content))))


def _references(path: str, text: str) -> Iterator[Package]:
    place = _PLACE.fullmatch(path)
    if place is not None:
        yield _package(path, place)
    section = ""
    for line in text.splitlines():
        stripped = line.strip()
        if stripped.startswith("[") and stripped.endswith("]"):
            section = stripped[1:-1]
        elif section in _SECTIONS and (found := _REFERENCE.match(stripped)):
            if "Y" in found["version"].split(".") or "Z" in found["version"].split("."):
                continue
            yield _package(path, found)


def _package(path: str, found: re.Match[str]) -> Package:
    name = checked_name(found["name"], path)
    version = checked_version(found["version"], name, path)
    return Package("conan", name, version, name, version, path)
