"""The note that distributions leave in what they build (UAPI Group, "Package Metadata for Executable Files").

    name size (4 bytes), content size (4 bytes), type 0xcafe1a7e, "FDO\\0", a JSON object in UTF-8, zeros

    {"type": "rpm", "name": "bash", "version": "5.2.26-3.fc40", "architecture": "x86_64"}

It is how a program that was copied without its package still says whose it is.
"""

import re

from scanning.errors import InvalidContentError
from scanning.facts import Package
from scanning.packages.documents import json_object
from scanning.packages.fields import checked_name, checked_version

WORD = b"\x7e\x1a\xfe\xcaFDO"
"""Stands before every note of little-endian programs."""

_NOTE = re.compile(rb"\x7e\x1a\xfe\xcaFDO\0(\{[^\0]{2,480}\})\s*\0")
_TYPES = frozenset({"deb", "rpm", "apk", "alpm"})


class NoteReader:
    """Takes the windows of a program that hold a note; the first that can be read counts."""

    __slots__ = ("_note",)

    def __init__(self) -> None:
        self._note = b""

    def look_at(self, window: bytes | memoryview) -> None:
        """Look for a whole note in `window`."""
        found = _NOTE.search(window) if not self._note else None
        if found is not None:
            self._note = found[1]

    def finish(self, path: str) -> tuple[Package, ...]:
        """The package the note speaks of; nothing where there is none or it names no package the gate knows."""
        try:
            note = json_object(path, self._note) if self._note else {}
            fields = [note.get(key, "") for key in ("type", "name", "version", "architecture")]
            if not all(isinstance(field, str) for field in fields) or fields[0] not in _TYPES:
                return ()
            kind, name, version, architecture = fields
            name, version = checked_name(name, path), checked_version(version, name, path)
        except InvalidContentError:
            return ()  # a program's own word, and only ever an addition: nothing is hidden by leaving it out
        return (Package(kind, name, version, name, version, path, architecture=architecture),)
