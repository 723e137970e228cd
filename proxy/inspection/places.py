"""How many uploads may be inspected at a time by all processes of one gate together.

Each place is a lock on a file of its own (flock(2)): whichever process needs one takes it, and the kernel gives back
what a process held that died.
"""

import fcntl
import os
from contextlib import suppress
from pathlib import Path


class Places:
    """`count` places, shared with every other `Places` of as many in the same folder, which is made if it is not there.

    None of its methods waits.
    """

    def __init__(self, folder: Path, count: int) -> None:
        folder.mkdir(exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        self._files = [os.open(folder / str(number), flags, 0o600) for number in range(count)]
        self._free = set(self._files)  # for this process: another may have taken any of them

    def take(self) -> int | None:
        """A place, to be given back; None if all are taken."""
        for file in self._free:
            with suppress(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._free.discard(file)
                return file
        return None

    def give_back(self, place: int) -> None:
        """Let another have it. Does nothing once all are given back."""
        if place in self._files:
            fcntl.flock(place, fcntl.LOCK_UN)
            self._free.add(place)

    def close(self) -> None:
        """Give all back; nothing can be taken any more."""
        self._free.clear()
        while self._files:
            os.close(self._files.pop())
