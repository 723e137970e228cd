"""Every package format the gate reads, and those it only recognises.

A cataloger is a module with the two functions of `Cataloger`. A format that is recognised and not read makes the
image one that cannot be inspected: its packages would otherwise pass unseen.
"""

import re
from typing import Protocol

from scanning.facts import Package
from scanning.packages import apk, dpkg, npm, python


class Cataloger(Protocol):
    """Reads the packages of one format."""

    def matches(self, path: str) -> bool:
        """Whether the file at `path` is one it reads."""

    def read(self, path: str, content: bytes) -> tuple[Package, ...]:
        """The packages the file tells of. Raises `InvalidContentError` if it cannot be understood."""


CATALOGERS: tuple[Cataloger, ...] = (dpkg, apk, python, npm)

_UNREAD = (
    ("RPM", re.compile(r"(?:var/lib|usr/share|usr/lib/sysimage)/rpm/(?:Packages|Packages\.db|rpmdb\.sqlite)")),
    ("pacman", re.compile(r"var/lib/pacman/local/[^/]+/desc")),
)


def cataloger_of(path: str) -> Cataloger | None:
    """Who reads the file at `path`; None if nobody does."""
    return next((cataloger for cataloger in CATALOGERS if cataloger.matches(path)), None)


def unread_format(path: str) -> str:
    """The package format whose database lies at `path` and that the gate cannot read yet, "" if it is none."""
    if not path.startswith(("var/lib/", "usr/")):
        return ""
    return next((name for name, pattern in _UNREAD if pattern.fullmatch(path)), "")
