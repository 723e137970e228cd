"""Gentoo packages: Portage's database of what is installed (Package Manager Specification, "VDB").

    var/db/pkg/CATEGORY/NAME-VERSION/CONTENTS       the files of one package
    var/db/pkg/CATEGORY/NAME-VERSION/LICENSE        read by scanning.packages.licences

The package is named by its folder: the version begins at the last hyphen that a digit follows, a revision aside.
"""

import re

from scanning.errors import InvalidContentError
from scanning.facts import Ownership, Package
from scanning.packages.fields import checked_name, checked_version, text_of

ROOT = "var/db/pkg/"
_CONTENTS = re.compile(r"var/db/pkg/(?P<category>[A-Za-z0-9_][A-Za-z0-9+_.-]*)/(?P<package>[^/]+)/CONTENTS")
_FILE = re.compile(r"(?:obj (?P<path>/.+) (?P<md5>[0-9a-f]{32}) [0-9]+|sym (?P<link>/.+) -> .*)")
_SETTINGS = "etc/"
_PACKAGE = re.compile(r"(?P<name>.+)-(?P<version>[0-9][^-]*(?:-r[0-9]+)?)")


def matches(path: str) -> bool:
    """Whether `path` lists the files of an installed package of this format."""
    return path.startswith(ROOT) and _CONTENTS.fullmatch(path) is not None


def read(path: str, content: bytes) -> tuple[Package, ...]:
    """The one package that the folder names. Raises `InvalidContentError` if it names none."""
    place = _CONTENTS.fullmatch(path)
    package = _PACKAGE.fullmatch(place["package"]) if place else None
    if place is None or package is None:
        raise InvalidContentError(f"{path} lies in a folder that names no package and version; reinstall the package")
    name = f"{place['category']}/{checked_name(package['name'], path)}"
    version = checked_version(package["version"], name, path)
    return (Package("ebuild", name, version, name, version, path),)


def ownership(path: str, content: bytes) -> tuple[Ownership, ...]:
    """What the package installed, and the digests of it. Raises as `read` does."""
    (package,) = read(path, content)
    lines = (_FILE.fullmatch(line.rstrip("\r")) for line in text_of(content).split("\n"))
    files = {(line["path"] or line["link"])[1:]: line["md5"] or "" for line in lines if line}
    return tuple(
        Ownership(package.name, tuple(some), "md5", tuple(some.values()), is_configuration=is_configuration)
        for is_configuration in (False, True)
        if (some := {name: md5 for name, md5 in files.items() if name.startswith(_SETTINGS) is is_configuration})
    )
