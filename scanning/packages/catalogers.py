"""Every package format the gate reads. A cataloger is a module with the two functions of `Cataloger`."""

from typing import Protocol

from scanning.facts import Package
from scanning.packages import apk, conda, dotnet, dpkg, npm, pacman, php, python, rlang, rpm, ruby


class Cataloger(Protocol):
    """Reads the packages of one format."""

    def matches(self, path: str) -> bool:
        """Whether the file at `path` is one it reads."""

    def read(self, path: str, content: bytes) -> tuple[Package, ...]:
        """The packages the file tells of. Raises `InvalidContentError` if it cannot be understood."""


CATALOGERS: tuple[Cataloger, ...] = (dpkg, apk, rpm, pacman, python, npm, ruby, php, dotnet, conda, rlang)


def cataloger_of(path: str) -> Cataloger | None:
    """Who reads the file at `path`; None if nobody does."""
    for cataloger in CATALOGERS:  # asked of every file: an expression would cost more than the questions
        if cataloger.matches(path):
            return cataloger
    return None
