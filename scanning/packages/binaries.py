"""Files of machine code that are no ELF programs, and what they say of themselves: x86 kernels, .NET libraries."""

from typing import Protocol

from scanning.facts import Package
from scanning.packages import assembly, kernel


class BinarySearch(Protocol):
    """Reads one such file, fed in chunks of any size."""

    def feed(self, chunk: bytes | memoryview) -> None:
        """Take the next bytes."""

    def finish(self) -> tuple[Package, ...]:
        """The packages that it is."""


def may_begin(piece: bytes, start: int) -> bool:
    """Whether one of these files may begin at `start` of `piece`; never wrong where it says no."""
    return piece.startswith(assembly.MAGIC, start) or kernel.has_mark(piece, start)


def begin(path: str, head: bytes) -> BinarySearch | None:
    """Begin to read the file at `path` that begins with `head`; None if it is none of these."""
    return _BootImageSearch(path) if kernel.is_boot_image(head) else assembly.begin(path, head)


class _BootImageSearch:
    """A kernel as boot loaders take it."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._head = bytearray()

    def feed(self, chunk: bytes | memoryview) -> None:
        self._head += chunk[: kernel.HEAD_BYTES - len(self._head)]

    def finish(self) -> tuple[Package, ...]:
        return kernel.boot_image(self._path, bytes(self._head))
