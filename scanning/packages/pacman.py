"""Arch packages: pacman's local database (alpm, "local database format"), one folder a package.

var/lib/pacman/local/NAME-VERSION/desc      %NAME%, %VERSION%, %BASE% (the source package), %ARCH%, %LICENSE%
var/lib/pacman/local/NAME-VERSION/mtree     what it installed, packed with gzip: `./usr/bin/x mode=755 sha256digest=...`
"""

import re
import zlib
from collections.abc import Iterator

from scanning.errors import InvalidContentError
from scanning.facts import Ownership, Package
from scanning.packages.fields import checked_name, checked_version, text_of

_DESCRIPTION = re.compile(r"var/lib/pacman/local/[^/]+/desc")
_TREE = re.compile(r"var/lib/pacman/local/(?P<package>[^/]+)-[^/-]+-[^/-]+/mtree")
_ESCAPED = re.compile(r"\\([0-7]{3})")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MOST_TREE_BYTES = 64 << 20
_SETTINGS = "etc/"
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


def records_ownership(path: str) -> bool:
    """Whether `path` tells what a package installed."""
    return path.endswith("/mtree") and _TREE.fullmatch(path) is not None


def ownership(path: str, content: bytes) -> tuple[Ownership, ...]:
    """What one package installed, and the digests of it. Raises `InvalidContentError` if it cannot be unpacked."""
    named = _TREE.fullmatch(path)
    unpacking = zlib.decompressobj(wbits=31)
    try:
        text = text_of(unpacking.decompress(content, _MOST_TREE_BYTES))
    except zlib.error as error:
        raise InvalidContentError(f"{path} is not packed with gzip ({error}); reinstall the package") from error
    if not unpacking.eof:
        raise InvalidContentError(f"{path} is cut short, or of more than {_MOST_TREE_BYTES} bytes; reinstall it")
    files = tuple(_tree(text)) if named else ()
    return tuple(
        Ownership(named["package"], tuple(some), "sha256", tuple(some.values()), is_configuration=is_configuration)
        for is_configuration in (False, True)
        if named and (some := {name: sum_ for name, sum_ in files if name.startswith(_SETTINGS) is is_configuration})
    )


def _tree(text: str) -> Iterator[tuple[str, str]]:
    """Path and SHA-256 of each regular file, links with "" (mtree(5), with the keywords that makepkg writes)."""
    defaults: dict[str, str] = {}
    for line in text.split("\n"):
        name, *words = line.split() or [""]
        keywords = dict(word.partition("=")[::2] for word in words)
        if name == "/set":
            defaults |= keywords
        kind = keywords.get("type", defaults.get("type", "file"))
        if name.startswith("./") and kind != "dir" and not name.startswith("./."):
            stated = keywords.get("sha256digest", "")
            path = _ESCAPED.sub(lambda match: chr(int(match[1], 8)), name[2:])
            yield path, stated if _SHA256.fullmatch(stated) else ""


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
