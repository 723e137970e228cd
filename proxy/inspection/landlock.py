"""Landlock (landlock(7)): a process gives up what it never needs again, for itself and all it will ever be.

What is given up depends on the kernel, each version of it more:

    1   files, and with them whatever is mounted; reading other processes' memory (ptrace(2), /proc/PID/mem)
    4   TCP
    6   signals to other processes, and their abstract sockets

A kernel without it, or a container that forbids it, takes nothing away: nobody may rely on it alone.
"""

import ctypes
import os
import struct
from collections.abc import Iterable
from typing import Final

_CREATE_RULESET: Final = 444
_ADD_RULE: Final = 445
_RESTRICT_SELF: Final = 446
_TELL_VERSION: Final = 1
_PATH_BENEATH: Final = 1

_READ = 1 << 2 | 1 << 3  # LANDLOCK_ACCESS_FS_READ_FILE, LANDLOCK_ACCESS_FS_READ_DIR
_FILES = {1: 13, 2: 14, 3: 15, 5: 16}
"""How many kinds of access to files each version knows: the lowest so many bits."""
_TCP, _TCP_SINCE = 0b11, 4
_SCOPES, _SCOPES_SINCE = 0b11, 6
_RULESET = struct.Struct("=QQQ")
_RULE = struct.Struct("=Qi")


def give_up_all_but(readable: Iterable[str]) -> int:
    """Give up, in this thread and those it starts, all that the kernel lets go but reading below `readable`; what of
    these is not there is left out. Call it after `PR_SET_NO_NEW_PRIVS`, before any thread starts.

    Gives the kernel's version of Landlock, 0 where nothing was given up.
    """
    version = _call(_CREATE_RULESET, None, 0, _TELL_VERSION)
    if version < 1:
        return 0
    kinds = max(count for since, count in _FILES.items() if since <= version)
    attributes = _RULESET.pack(
        (1 << kinds) - 1, _TCP if version >= _TCP_SINCE else 0, _SCOPES if version >= _SCOPES_SINCE else 0
    )
    known = 24 if version >= _SCOPES_SINCE else 16 if version >= _TCP_SINCE else 8
    ruleset = _call(_CREATE_RULESET, attributes, known, 0)
    if ruleset < 0:
        return 0
    try:
        for path in readable:
            _allow(ruleset, path)
        return version if _call(_RESTRICT_SELF, ruleset, 0) == 0 else 0
    finally:
        os.close(ruleset)


def _call(number: int, *arguments: int | bytes | None) -> int:
    """The system call's answer, negative where it failed."""
    library = ctypes.CDLL(None)
    library.syscall.restype = ctypes.c_long
    given = (ctypes.c_long(one) if isinstance(one, int) else one for one in (number, *arguments))
    return int(library.syscall(*given))


def _allow(ruleset: int, path: str) -> None:
    try:
        folder = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return
    try:
        _call(_ADD_RULE, ruleset, _PATH_BENEATH, _RULE.pack(_READ, folder), 0)
    finally:
        os.close(folder)
