"""Reads a file as a layer would hand it over."""

from dataclasses import replace

from scanning.facts import EntryKind, FileEntry, FileFinds
from scanning.files import examine
from scanning.layers.limits import InspectionLimits

LIMITS = InspectionLimits()
ELF = b"\x7fELF\x02\x01\x01" + bytes(57)


def told(
    path: str, content: bytes, mode: int = 0o644, chunk: int = 1 << 16, limits: InspectionLimits = LIMITS
) -> FileFinds | None:
    """What a regular file tells, its digests aside, read in chunks of `chunk` bytes."""
    found = examined(path, content, mode, chunk, limits)
    plain = replace(found, fingerprint=None) if found else None
    return plain if plain != FileFinds(path) else None


def examined(
    path: str, content: bytes, mode: int = 0o644, chunk: int = 1 << 16, limits: InspectionLimits = LIMITS
) -> FileFinds | None:
    """All that a regular file tells, read in chunks of `chunk` bytes."""
    examination = examine.begin(FileEntry(path, EntryKind.FILE, mode, size=len(content)), limits)
    if examination is None:
        return None
    for start in range(0, len(content), chunk):
        examination.feed(memoryview(content)[start : start + chunk])
    return examination.finish()
