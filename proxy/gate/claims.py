"""Which blobs are being read back, so that of several serving processes one reads each, and the others wait for what it
finds.

A claim is a lock on one byte of a file that all of them have open, at a place that the digest's first digits say:
nothing is left behind, and the kernel frees what a process held that died. Digests of one place wait for each other.
"""

import fcntl
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scanning.oci.digest import Digest

_FLOCK = struct.Struct("@hhqqi0q")
"""struct flock of fcntl(2): type, whence, start, length, and the process, which is 0 for locks of an open file."""
_PLACE_DIGITS = 15


class ReadingClaims:
    """The claims of one process among those that share `file`, which is made if it is not there. Without a file there
    is no other process, and whoever asks may read. None of its methods waits.
    """

    def __init__(self, file: Path | None = None) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        self._file = None if file is None else os.open(file, flags, 0o600)
        self._held: set[Digest] = set()

    @contextmanager
    def taken(self, digest: Digest) -> Iterator[bool]:
        """Claim a blob while the caller reads and records it. False where another process does, or this one already."""
        taken = self._take(digest)
        try:
            yield taken
        finally:
            if taken:
                self._give_back(digest)

    def is_held(self, digest: Digest) -> bool:
        """Whether this blob is being read just now, by whichever process."""
        if digest in self._held:
            return True
        if self._file is None:
            return False
        found = fcntl.fcntl(self._file, fcntl.F_OFD_GETLK, _lock(fcntl.F_WRLCK, digest))
        kind: int = _FLOCK.unpack(found)[0]
        return kind != fcntl.F_UNLCK

    def close(self) -> None:
        """Give all up, whoever still reads."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _take(self, digest: Digest) -> bool:
        if digest in self._held:
            return False
        if self._file is not None:
            try:
                fcntl.fcntl(self._file, fcntl.F_OFD_SETLK, _lock(fcntl.F_WRLCK, digest))
            except BlockingIOError:
                return False
        self._held.add(digest)
        return True

    def _give_back(self, digest: Digest) -> None:
        self._held.discard(digest)
        if self._file is not None:
            fcntl.fcntl(self._file, fcntl.F_OFD_SETLK, _lock(fcntl.F_UNLCK, digest))


def _lock(kind: int, digest: Digest) -> bytes:
    return _FLOCK.pack(kind, os.SEEK_SET, int(digest.hex[:_PLACE_DIGITS], 16), 1, 0)
