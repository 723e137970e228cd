"""Archives whose directory, at their end, is damaged: Java's, which hold others."""

from tests.fuzz import forge
from tests.fuzz.reading import read_file
from tests.scanning.packages.test_java import archive, beyond_every_file, manifest, pom

_INNER = archive(pom("g", "b", "2"))
_WHOLES = (
    archive(pom("g", "a", "1") | manifest(Implementation_Version="1", Bundle_SymbolicName="a")),
    archive(manifest(Implementation_Title="a") | {"lib/b.jar": _INNER, "lib/c-1.war": _INNER}),
    beyond_every_file(archive(pom("g", "a", "1"))),
    b"#!/bin/sh\nexec java -jar $0\n" + archive(pom("g", "a", "1")),
)
_END_OF_DIRECTORY = 22


def zip_directory(data: bytes) -> None:
    """An archive that is changed: its directory, what ends it, or any of it."""
    choice, changes = data[:1] or b"\0", data[1:]
    whole = _WHOLES[choice[0] % len(_WHOLES)]
    place = (whole.index(b"PK\1\2"), len(whole) - _END_OF_DIRECTORY, 0)[choice[0] // len(_WHOLES) % 3]
    read_file("app/a-1.jar", whole[:place] + forge.content(whole[place:], changes))
