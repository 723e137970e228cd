"""Files of machine code that are no ELF programs, and what they say of themselves.

kernels                             scanning.packages.boot_images
.NET libraries                      scanning.packages.assembly
other programs of Windows, where .NET packs what is published as a single file into them
                                    scanning.packages.dotnet_bundle
"""

from typing import Protocol

from scanning.facts import Package
from scanning.packages import assembly, boot_images
from scanning.packages.dotnet_bundle import BundleSearch


class BinarySearch(Protocol):
    """Reads one such file, fed in chunks of any size."""

    def feed(self, chunk: bytes | memoryview) -> None:
        """Take the next bytes."""

    def finish(self) -> tuple[Package, ...]:
        """The packages that it is, or is made of. Raises `InvalidContentError` where a list of them cannot be read."""


def may_begin(piece: bytes, start: int, size: int) -> bool:
    """Whether one of these files, of `size` bytes, may begin at `start` of `piece`; never wrong where it says no."""
    return piece.startswith(assembly.MAGIC, start) or boot_images.may_begin(piece, start, size)


def begin(path: str, head: bytes, size: int) -> BinarySearch | None:
    """Begin to read the file of `size` bytes at `path` that begins with `head`; None if it is none of these."""
    found = boot_images.begin(path, head, size) or assembly.begin(path, head)
    if found is None and head.startswith(assembly.MAGIC) and b"\0" in head:  # no text that happens to begin so
        return BundleSearch(path)
    return found
