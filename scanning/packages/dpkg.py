"""Debian packages: dpkg's database (deb-control(5), dpkg-query(1)).

    var/lib/dpkg/status        one paragraph a package, those that are gone among them
    var/lib/dpkg/status.d/*    one file a package (distroless); md5sums lie beside

Whatever has files on the disk counts as installed: everything but `not-installed` and `config-files`.
"""

import re
from collections.abc import Iterator, Mapping

from scanning.errors import InvalidContentError
from scanning.facts import Package
from scanning.packages.fields import checked_name, checked_version, text_of

DATABASE = "var/lib/dpkg/status"
FRAGMENTS = "var/lib/dpkg/status.d/"

_GONE = frozenset({"not-installed", "config-files"})
_SOURCE = re.compile(r"(\S+)(?:\s+\((\S+)\))?")


def matches(path: str) -> bool:
    """Whether `path` is a package database of this format."""
    return path == DATABASE or (
        path.startswith(FRAGMENTS) and "/" not in path[len(FRAGMENTS) :] and not path.endswith(".md5sums")
    )


def read(path: str, content: bytes) -> tuple[Package, ...]:
    """The packages that are installed. Raises `InvalidContentError` if the database cannot be understood."""
    paragraphs = _paragraphs(path, text_of(content))
    return tuple(_package(path, fields) for fields in paragraphs if _is_present(path, fields))


def _paragraphs(path: str, text: str) -> Iterator[Mapping[str, str]]:
    fields: dict[str, str] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        if line[:1] in {" ", "\t"}:
            if not fields:
                raise InvalidContentError(
                    f"{path} line {number} continues a field, and there is none; restore the file"
                )
            continue
        stripped = line.rstrip("\r")
        if not stripped:
            if fields:
                yield fields
                fields = {}
            continue
        name, colon, value = stripped.partition(":")
        key = name.lower()
        if not colon or not name or name.split() != [name]:
            raise InvalidContentError(f"{path} line {number} is no field of a dpkg database; restore the file")
        if key in fields:
            raise InvalidContentError(f"{path} line {number} gives the field {name[:80]!r} twice; restore the file")
        fields[key] = value.strip()
    if fields:
        yield fields


def _is_present(path: str, fields: Mapping[str, str]) -> bool:
    status = fields.get("status")
    if status is None:  # status.d holds the control files of installed packages, which have none
        return True
    words = status.split()
    if len(words) != 3:
        raise InvalidContentError(
            f"{path} gives package {fields.get('package', '')[:80]!r} the status {status[:80]!r}, which is not"
            " three words; restore the file"
        )
    return words[2] not in _GONE


def _package(path: str, fields: Mapping[str, str]) -> Package:
    if "package" not in fields or "version" not in fields:
        raise InvalidContentError(
            f"{path} holds a package {fields.get('package', '')[:80]!r} without name or version; restore the file"
        )
    name = checked_name(fields["package"], path)
    version = checked_version(fields["version"], name, path)
    source = _SOURCE.fullmatch(fields.get("source", name))
    if source is None:
        raise InvalidContentError(
            f"{path} gives package {name} the source {fields['source'][:80]!r}, which is not `name (version)`;"
            " restore the file"
        )
    return Package(
        type="deb",
        name=name,
        version=version,
        source_name=checked_name(source[1], path),
        source_version=checked_version(source[2] or version, name, path),
        path=path,
        architecture=fields.get("architecture", ""),
    )
