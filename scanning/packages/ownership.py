"""Which package installed a file, and what was in it then: by each package database that tells.

A database is a part of the image and says what whoever built it wanted: this finds carelessness, and what came past the
package manager. For trust there are signatures, and base images that somebody approved.
"""

import re
from typing import Protocol

from scanning.facts import Ownership, Package
from scanning.packages import apk, conda, dpkg, gentoo, pacman, python, rpm


class _Source(Protocol):
    def ownership(self, path: str, content: bytes) -> tuple[Ownership, ...]: ...


ENDINGS = (
    *("/status", ".list", ".md5sums", "/installed", "/Packages", "/Packages.db", "/rpmdb.sqlite", "/mtree", "/RECORD"),
    *(".json", "/CONTENTS"),
)
_LIBRARIES = frozenset({"library", "site-library"})
_EXTENSION = re.compile(r"/extensions/[^/]+/[^/]+/")
_GEM = re.compile(r"(?P<root>.*/)specifications/(?:default/)?(?P<gem>[^/]+)\.gemspec")


def matches(path: str) -> bool:
    """Whether `path` tells who owns which files."""
    return _source_of(path) is not None


def read(path: str, content: bytes) -> tuple[Ownership, ...]:
    """What the file tells. Raises `InvalidContentError` where it is a database that cannot be understood."""
    source = _source_of(path)
    return source.ownership(path, content) if source is not None else ()


def _source_of(path: str) -> _Source | None:
    if not path.endswith(ENDINGS):
        return None
    if dpkg.records_ownership(path):
        return dpkg
    if apk.matches(path):
        return apk
    if path in rpm.DATABASES:
        return rpm
    if pacman.records_ownership(path):
        return pacman
    if python.records_ownership(path):
        return python
    if gentoo.matches(path):
        return gentoo
    return conda if conda.matches(path) else None


def folders_of(package: Package) -> tuple[str, ...]:
    """The folders whose whole content belongs to a package of a programming language, each ending in a slash.

    A description alone claims nothing: it has to lie where the language's own installer unpacks packages.
    """
    folder = package.path.rpartition("/")[0]
    match package.type:
        case "npm" if "node_modules" in folder.split("/")[:-1]:
            return (f"{folder}/",)
        case "gem":
            spec = _GEM.fullmatch(package.path)
            return (f"{spec['root']}gems/{spec['gem']}/", f"{spec['root']}extensions/{spec['gem']}/") if spec else ()
        case "composer" if package.path.endswith("/composer/installed.json"):
            return (f"{folder.rpartition('/')[0]}/{package.name}/",)
        case "nuget" if "shared" in folder.split("/") and package.path.endswith(".deps.json"):
            return (f"{folder}/",)
        case "nix":
            return (f"{package.path}/",)
        case "cran" if not _LIBRARIES.isdisjoint(folder.split("/")):
            return (f"{folder}/",)
    return ()


def folder_key(path: str) -> str:
    """`path` as `folders_of` spells folders: Ruby keeps compiled parts of a gem in `extensions/PLATFORM/ABI/GEM/`."""
    return _EXTENSION.sub("/extensions/", path)
