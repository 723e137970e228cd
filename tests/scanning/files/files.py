"""Reads a file as a layer would hand it over."""

from dataclasses import replace

from scanning.facts import EntryKind, FileEntry, FileFinds
from scanning.files import examine

ELF = b"\x7fELF\x02\x01\x01" + bytes(57)


def told(
    path: str, content: bytes, mode: int = 0o644, chunk: int = 1 << 16, file_bytes: int = examine.DEFAULT_FILE_BYTES
) -> FileFinds | None:
    """What a regular file tells, its digests aside, read in chunks of `chunk` bytes."""
    found = examined(path, content, mode, chunk, file_bytes)
    plain = replace(found, fingerprint=None) if found else None
    return plain if plain != FileFinds(path) else None


def examined(
    path: str, content: bytes, mode: int = 0o644, chunk: int = 1 << 16, file_bytes: int = examine.DEFAULT_FILE_BYTES
) -> FileFinds | None:
    """All that a regular file tells, read in chunks of `chunk` bytes."""
    examination = examine.begin(FileEntry(path, EntryKind.FILE, mode, size=len(content)), file_bytes)
    if examination is None:
        return None
    for start in range(0, len(content), chunk):
        examination.feed(memoryview(content)[start : start + chunk])
    return examination.finish()
