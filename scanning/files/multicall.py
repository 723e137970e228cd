"""Programs that are many tools at once (busybox, toybox): which of their applets they hold.

A link called `nc` makes busybox netcat, and so does `busybox nc`: what the program holds can be used whether or not a
link leads to it. busybox keeps its applets as one table of sorted names, toybox each name as a string of its own.
"""

import re

from config.vocabulary import ToolKind
from scanning.files.tools import KNOWN_NAMES, Found, named

WORDS = (b"BusyBox v", b"usage: toybox [", b"Toybox %s multicall")
"""What only a multi-call program says of itself."""

_TABLE = re.compile(rb"(?<=\0)(?:[a-z0-9\[][a-zA-Z0-9_.+\[-]{0,30}\0){8,2000}")
_USUAL_APPLETS = frozenset({b"cat", b"chmod", b"cp", b"date", b"echo", b"kill", b"mkdir", b"mount", b"mv", b"sleep"})
_ENOUGH_APPLETS = 3


def applets(content: bytes | bytearray) -> tuple[Found, ...]:
    """The tools among the applets of a multi-call program, those of one kind in one: `telnet, telnetd`."""
    names = _from_table(content)
    if names is None:
        names = _from_strings(content)
    found: dict[ToolKind, list[str]] = {}
    for name in KNOWN_NAMES:
        tool = named(name) if name in names else None
        if tool is not None:
            found.setdefault(tool[0], []).append(tool[1])
    return tuple((kind, ", ".join(dict.fromkeys(names))) for kind, names in found.items())


def _from_strings(content: bytes | bytearray) -> frozenset[str]:
    """The names among its strings; none if it has not even those of usual applets: it only speaks of busybox.

    A name that is a string for another reason is told too: of a multi-call program, rather too much than too little.
    """
    usual = sum(b"\0%s\0" % name in content for name in _USUAL_APPLETS)
    known = KNOWN_NAMES if usual >= _ENOUGH_APPLETS else ()
    return frozenset(name for name in known if b"\0%s\0" % name.encode() in content)


def _from_table(content: bytes | bytearray) -> frozenset[str] | None:
    """The names in busybox's table, the longest run of sorted names; None if there is none."""
    best: list[bytes] = []
    for match in _TABLE.finditer(content):
        run: list[bytes] = []
        for name in match[0].split(b"\0")[:-1]:
            if run and name <= run[-1]:
                run = []
            run.append(name)
            if len(run) > len(best):
                best = run
    if len(_USUAL_APPLETS.intersection(best)) < _ENOUGH_APPLETS:
        return None
    return frozenset(name.decode("ascii") for name in best)
