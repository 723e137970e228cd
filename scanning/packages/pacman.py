"""Arch packages: pacman's local database (alpm, "local database format"), one folder a package.

var/lib/pacman/local/NAME-VERSION/desc      %NAME%, %VERSION%, %BASE% (the source package), %ARCH%, %LICENSE%
"""

import re

from scanning.errors import InvalidContentError
from scanning.facts import Package
from scanning.packages.fields import checked_name, checked_version, text_of

_DESCRIPTION = re.compile(r"var/lib/pacman/local/[^/]+/desc")
_SECTION = re.compile(r"%([A-Z0-9]+)%")


def matches(path: str) -> bool:
    """Whether `path` describes an installed package of this format."""
    return path.startswith("var/lib/pacman/") and _DESCRIPTION.fullmatch(path) is not None


def read(path: str, content: bytes) -> tuple[Package, ...]:
    """The one package described. Raises `InvalidContentError` if it has no name or no version."""
    sections = _sections(path, text_of(content))
    if not sections.get("NAME") or not sections.get("VERSION"):
        raise InvalidContentError(f"{path} does not say which package it describes; reinstall the package")
    name = checked_name(sections["NAME"][0], path)
    version = checked_version(sections["VERSION"][0], name, path)
    source, architecture = sections.get("BASE", [name]), sections.get("ARCH", [""])
    return (
        Package(
            type="alpm",
            name=name,
            version=version,
            source_name=checked_name(source[0], path),
            source_version=version,
            path=path,
            architecture=architecture[0],
            licences=tuple(sections.get("LICENSE", ())),
        ),
    )


def _sections(path: str, text: str) -> dict[str, list[str]]:
    """The lines under each heading; a section ends at an empty line."""
    found: dict[str, list[str]] = {}
    section: list[str] | None = None
    for raw in text.split("\n"):
        line = raw.strip()
        heading = _SECTION.fullmatch(line)
        if heading is not None:
            if heading[1] in found:
                raise InvalidContentError(f"{path} gives {line} twice; reinstall the package")
            section = found[heading[1]] = []
        elif not line:
            section = None
        elif section is not None:
            section.append(line)
    return {name: lines for name, lines in found.items() if lines}
