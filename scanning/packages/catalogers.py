"""Every package format the gate reads. A cataloger is a module with the two functions of `Cataloger`."""

from typing import Protocol

from scanning.facts import Package
from scanning.packages import apk, conda, dotnet, dpkg, java, npm, pacman, php, python, rlang, rpm, ruby


class Cataloger(Protocol):
    """Reads the packages of one format."""

    def matches(self, path: str) -> bool:
        """Whether the file at `path` is one it reads."""

    def read(self, path: str, content: bytes) -> tuple[Package, ...]:
        """The packages the file tells of. Raises `InvalidContentError` if it cannot be understood."""


CATALOGERS: tuple[Cataloger, ...] = (dpkg, apk, rpm, pacman, python, npm, ruby, php, dotnet, conda, rlang, java)

# Asked of every file of every layer, nearly all of which are none of these.
_ENDINGS = (
    *("/status", "/installed", "/desc", "/DESCRIPTION", ".gemspec", ".json", *java.ENDINGS),
    *("/METADATA", "/PKG-INFO", ".egg-info", "/Packages", "/Packages.db", "/rpmdb.sqlite", "/rpmdb.sqlite-wal"),
)


def cataloger_of(path: str) -> Cataloger | None:
    """Who reads the file at `path`; None if nobody does."""
    if not path.endswith(_ENDINGS) and not path.startswith(dpkg.FRAGMENTS):
        return None
    return next((cataloger for cataloger in CATALOGERS if cataloger.matches(path)), None)
