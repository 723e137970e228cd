"""Alpine packages: apk's database of what is installed (apk-tools, "apk spec").

One letter and a colon begin each line: `P` name, `V` version, `A` architecture, `o` origin (the source package),
`L` licence; `F` a directory, and after it `R` its files, each with `Z` its digest: `Q1` and SHA-1 in base64, or `Q2`
and SHA-256.
"""

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from scanning.errors import InvalidContentError
from scanning.facts import Ownership, Package
from scanning.packages.fields import checked_name, checked_version, text_of

_ALGORITHMS = {"Q1": "sha1", "Q2": "sha256"}
_PROTECTED = "etc/"
"""What apk keeps as it was changed (apk-protected_paths)."""
_LONGEST_PATH = 4096
DATABASES = ("lib/apk/db/installed", "usr/lib/apk/db/installed")


@dataclass(frozen=True, slots=True)
class _Record:
    fields: Mapping[str, str]
    files: Mapping[str, str]
    """Paths, and what `Z` says of them."""


def matches(path: str) -> bool:
    """Whether `path` is a package database of this format."""
    return path in DATABASES


def read(path: str, content: bytes) -> tuple[Package, ...]:
    """The packages that are installed. Raises `InvalidContentError` if the database cannot be understood."""
    return tuple(_package(path, record.fields) for record in _records(path, content))


def ownership(path: str, content: bytes) -> tuple[Ownership, ...]:
    """Which package installed which files, and their digests. Raises as `read` does."""
    return tuple(found for record in _records(path, content) if "P" in record.fields for found in _ownership(record))


def _ownership(record: _Record) -> Iterator[Ownership]:
    groups: dict[tuple[str, bool], dict[str, str]] = {}
    for path, stated in record.files.items():
        algorithm, digest = _digest(stated)
        groups.setdefault((algorithm, path.startswith(_PROTECTED)), {})[path] = digest
    for (algorithm, is_configuration), sums in groups.items():
        digests = tuple(sums.values()) if algorithm else ()
        yield Ownership(record.fields["P"], tuple(sums), algorithm, digests, is_configuration=is_configuration)


def _digest(stated: str) -> tuple[str, str]:
    """Algorithm and digest of what `Z` says, both "" if it says nothing that is known."""
    algorithm = _ALGORITHMS.get(stated[:2], "")
    try:
        digest = base64.b64decode(stated[2:], validate=True).hex() if algorithm else ""
    except ValueError:  # binascii.Error is one, and so is what a text that is not ASCII raises
        return "", ""
    return algorithm, digest


def _records(path: str, content: bytes) -> Iterator[_Record]:
    fields: dict[str, str] = {}
    files: dict[str, str] = {}
    directory, file = "", ""
    for number, raw in enumerate(text_of(content).split("\n"), start=1):
        line = raw.rstrip("\r")
        if not line:
            if fields:
                yield _Record(fields, files)
            fields, files, directory, file = {}, {}, "", ""
            continue
        if line[1:2] != ":" or not (line[0].isascii() and line[0].isalpha()):
            raise InvalidContentError(f"{path} line {number} is no field of an apk database; restore the file")
        key, value = line[0], line[2:].strip()
        if key == "F":
            directory, file = value, ""
        elif key == "R":
            file = f"{directory}/{value}" if directory else value
            if len(file) > _LONGEST_PATH:
                raise InvalidContentError(f"{path} line {number} names a file of {len(file)} characters; restore it")
            files[file] = ""
        elif key == "Z" and file:
            files[file] = value
        elif key in "PVAoL":
            if key in fields:
                raise InvalidContentError(f"{path} line {number} gives the field {key} twice; restore the file")
            fields[key] = value
        else:
            fields.setdefault(key, value)
    if fields:
        yield _Record(fields, files)


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
