"""One template of inspection workers for several gates: started by the process that supervises them.

Without it each gate starts a template of its own, and so does each whose shared one has ended.
"""

import errno
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

from proxy.inspection.forking import JOIN, REQUEST

COMMAND: Final = (sys.executable, "-I", "-m", "proxy.inspection.template")
_EXIT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class SharedEnd:
    """What one gate needs of a shared template: a socket to speak to it, and a descriptor of its process."""

    control: socket.socket
    process: int

    def close(self) -> None:
        """Give both up, in a process that does not use them."""
        self.control.close()
        os.close(self.process)


class SharedTemplate:
    """The process, as its parent has it. Needs no event loop, and starts no thread. Made by `start`."""

    def __init__(self, process: subprocess.Popen[bytes], control: socket.socket) -> None:
        self._process = process
        self._control = control

    @classmethod
    def start(cls, command: Sequence[str] = COMMAND) -> Self:
        """Start it; when it is ready is told to whoever joins. Raises `OSError` where it cannot be started, or the
        system has no descriptors of processes.
        """
        if not hasattr(os, "pidfd_open"):  # Python was built for a libc without it
            raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
        os.close(os.pidfd_open(os.getpid()))
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                process = subprocess.Popen(  # noqa: S603 - our own module
                    command,
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                    env={},
                    cwd="/",
                    start_new_session=True,
                )
            except OSError:
                ours.close()
                raise
        return cls(process, ours)

    @property
    def pid(self) -> int:
        """Its process id, which is its own until it was waited for."""
        return self._process.pid

    def join(self) -> SharedEnd:
        """An end for one more gate. Raises `OSError` if the template has ended."""
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                socket.send_fds(self._control, [REQUEST.pack(JOIN, 0)], [theirs.fileno()])
                return SharedEnd(ours, os.pidfd_open(self.pid))
            except OSError:
                ours.close()
                raise

    def forget(self) -> None:
        """In a process that was forked: hold nothing that keeps the template waiting for its parent."""
        self._control.close()

    def close(self) -> None:
        """It ends once all who joined are gone; see that it does."""
        self._control.close()
        try:
            self._process.wait(_EXIT_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
