"""Digests of the files that run or that decide what runs, as package databases record them.

    programs      ELF files of any kind, scripts, files that may be executed
    modules       what Python imports from where packages are installed
    settings      all of etc/

dpkg records MD5, apk SHA-1, rpm, pacman and Python SHA-256. Which of them an image needs is known only when all its
layers are, so all three are computed; of other files (documentation, translations, data) none is.
"""

import hashlib

from scanning.facts import ContentKind, FileEntry, Fingerprint
from scanning.files.tools import is_program_path

_ELF = b"\x7fELF"
SCRIPT = b"#!"
"""How a script begins that names what runs it."""

_EXECUTABLE = 0o111
_RELOCATABLE = 1
_TYPE_AT, _ORDER_AT, _BIG_ENDIAN = 16, 5, 2  # of an ELF header: e_type, EI_DATA, ELFDATA2MSB
_MODULES = ("/site-packages/", "/dist-packages/")
_SETTINGS = "etc/"


def kind_of(entry: FileEntry, head: bytes) -> ContentKind | None:
    """What the file that begins with `head` is, None if its digest serves nothing."""
    if head.startswith(_ELF):
        return ContentKind.OTHER if _is_relocatable(head) else ContentKind.PROGRAM
    can_run = bool(entry.mode & _EXECUTABLE)
    if head.startswith(SCRIPT) or (can_run and is_program_path(entry.path)):  # without #! it is one for the shell
        return ContentKind.SCRIPT
    path = entry.path
    if can_run or path.startswith(_SETTINGS) or (path.endswith(".py") and any(part in path for part in _MODULES)):
        return ContentKind.OTHER
    return None


def _is_relocatable(head: bytes) -> bool:
    """Whether it is a part of a program that is still to be linked, which nobody runs."""
    order = "big" if head[_ORDER_AT : _ORDER_AT + 1] == bytes([_BIG_ENDIAN]) else "little"
    return int.from_bytes(head[_TYPE_AT : _TYPE_AT + 2], order) == _RELOCATABLE  # type: ignore[arg-type]


class Fingerprinting:
    """Takes the digests of one file as it passes."""

    __slots__ = ("_kind", "_md5", "_sha1", "_sha256")

    def __init__(self, kind: ContentKind) -> None:
        self._kind = kind
        self._sha256 = hashlib.sha256()
        # What databases record cannot be chosen: these two find accidents and carelessness, not collisions.
        self._sha1 = hashlib.sha1(usedforsecurity=False)
        self._md5 = hashlib.md5(usedforsecurity=False)

    def feed(self, chunk: bytes | memoryview) -> None:
        """Take the next bytes."""
        self._sha256.update(chunk)
        self._sha1.update(chunk)
        self._md5.update(chunk)

    def finish(self) -> Fingerprint:
        """The digests of everything fed."""
        return Fingerprint(self._kind, self._sha256.hexdigest(), self._sha1.hexdigest(), self._md5.hexdigest())
