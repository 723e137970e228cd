"""Files of machine code that are no ELF programs, and what they say of themselves: kernels, .NET libraries."""

from typing import Protocol

from scanning.facts import Package
from scanning.packages import assembly, boot_images


class BinarySearch(Protocol):
    """Reads one such file, fed in chunks of any size."""

    def feed(self, chunk: bytes | memoryview) -> None:
        """Take the next bytes."""

    def finish(self) -> tuple[Package, ...]:
        """The packages that it is."""


def may_begin(piece: bytes, start: int, size: int) -> bool:
    """Whether one of these files, of `size` bytes, may begin at `start` of `piece`; never wrong where it says no."""
    return piece.startswith(assembly.MAGIC, start) or boot_images.may_begin(piece, start, size)


def begin(path: str, head: bytes, size: int) -> BinarySearch | None:
    """Begin to read the file of `size` bytes at `path` that begins with `head`; None if it is none of these."""
    return boot_images.begin(path, head, size) or assembly.begin(path, head)
