"""Alpine packages: apk's database of what is installed (apk-tools, "apk spec").

One letter and a colon begin each line: `P` name, `V` version, `A` architecture, `o` origin (the source package),
`L` licence; `F` a directory, and after it `R` its files.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from scanning.errors import InvalidContentError
from scanning.facts import Ownership, Package
from scanning.packages.fields import checked_name, checked_version, text_of

DATABASES = ("lib/apk/db/installed", "usr/lib/apk/db/installed")


@dataclass(frozen=True, slots=True)
class _Record:
    fields: Mapping[str, str]
    files: tuple[str, ...]


def matches(path: str) -> bool:
    """Whether `path` is a package database of this format."""
    return path in DATABASES


def read(path: str, content: bytes) -> tuple[Package, ...]:
    """The packages that are installed. Raises `InvalidContentError` if the database cannot be understood."""
    return tuple(_package(path, record.fields) for record in _records(path, content))


def ownership(path: str, content: bytes) -> tuple[Ownership, ...]:
    """Which package installed which files. Raises as `read` does."""
    return tuple(
        Ownership(record.fields["P"], record.files) for record in _records(path, content) if "P" in record.fields
    )


def _records(path: str, content: bytes) -> Iterator[_Record]:
    fields: dict[str, str] = {}
    files: list[str] = []
    directory = ""
    for number, raw in enumerate(text_of(content).split("\n"), start=1):
        line = raw.rstrip("\r")
        if not line:
            if fields:
                yield _Record(fields, tuple(files))
            fields, files, directory = {}, [], ""
            continue
        if line[1:2] != ":" or not (line[0].isascii() and line[0].isalpha()):
            raise InvalidContentError(f"{path} line {number} is no field of an apk database; restore the file")
        key, value = line[0], line[2:].strip()
        if key == "F":
            directory = value
        elif key == "R":
            files.append(f"{directory}/{value}" if directory else value)
        elif key in "PVAoL":
            if key in fields:
                raise InvalidContentError(f"{path} line {number} gives the field {key} twice; restore the file")
            fields[key] = value
        else:
            fields.setdefault(key, value)
    if fields:
        yield _Record(fields, tuple(files))


def _package(path: str, fields: Mapping[str, str]) -> Package:
    if "P" not in fields or "V" not in fields:
        raise InvalidContentError(
            f"{path} holds a package {fields.get('P', '')[:80]!r} without name or version; restore the file"
        )
    name = checked_name(fields["P"], path)
    version = checked_version(fields["V"], name, path)
    return Package(
        type="apk",
        name=name,
        version=version,
        source_name=checked_name(fields.get("o") or name, path),
        source_version=version,
        path=path,
        architecture=fields.get("A", ""),
        licences=(fields["L"],) if fields.get("L") else (),
    )
