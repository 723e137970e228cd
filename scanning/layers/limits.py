"""How much of one layer is inspected before it is refused (threats 56, 74, 114): bytes, ratio, counts, depth, time."""

from dataclasses import dataclass

KIB = 1 << 10
MIB = 1 << 20
GIB = 1 << 30

MOST_PACKAGES = 50_000
"""What most images of everything have is a few thousand."""


@dataclass(frozen=True, slots=True)
class InspectionLimits:
    """The bounds of one inspection. Passing one raises `LimitExceededError`, which names the field here."""

    uncompressed_bytes: int = 16 * GIB
    """Bytes of the archive after decompression."""
    ratio: int = 200
    """Uncompressed bytes for each compressed byte, judged once `ratio_grace_bytes` have come out."""
    ratio_grace_bytes: int = 64 * MIB
    window_bytes: int = 128 * MIB
    """The largest zstd window, which is memory the decompressor must hold. 128 MiB is what `zstd -d` allows."""
    entries: int = 500_000
    """Archive members."""
    path_length: int = 4096
    """Bytes of one path or link target (PATH_MAX)."""
    path_depth: int = 128
    """Components of one path."""
    path_bytes: int = 128 * MIB
    """Characters of all paths, the directories they imply and link targets together: those are kept in memory."""
    pax_bytes: int = 1 * MIB
    """Bytes of one extended header or long name. Go's archive/tar has the same limit."""
    file_bytes: int = 128 * MIB
    """Bytes of one metadata file (a package database) that must be held whole to be understood."""
    packages: int = MOST_PACKAGES
    """Packages that one layer tells of, and that one image does, as often as it does so: under every name of a file."""
    archive_depth: int = 4
    """Java archives in each other, the file itself counted."""
    archive_entries: int = 200_000
    """Entries of one Java archive and of those in it."""
    archive_bytes: int = 512 * MIB
    """Bytes that are read of one Java archive and of those in it, decompressed."""
    cpu_seconds: int = 600
    """Processor time for one layer. Kept by the process that inspects, since only it can be interrupted."""
    memory_bytes: int = 1 * GIB
    """Address space of a process that inspects."""
