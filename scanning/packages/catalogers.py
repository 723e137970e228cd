"""Every package format the gate reads. A cataloger is a module with the two functions of `Cataloger`."""

from typing import Protocol

from scanning.facts import Package
from scanning.layers.limits import InspectionLimits
from scanning.packages import (
    apk,
    bitnami,
    conan,
    conda,
    dotnet,
    dpkg,
    gentoo,
    java,
    jvm,
    kernel,
    lua,
    npm,
    pacman,
    pear,
    php,
    python,
    rlang,
    rpm,
    ruby,
    wordpress,
)


class Cataloger(Protocol):
    """Reads the packages of one format."""

    def matches(self, path: str) -> bool:
        """Whether the file at `path` is one it reads."""

    def read(self, path: str, content: bytes) -> tuple[Package, ...]:
        """The packages the file tells of. Raises `InvalidContentError` if it cannot be understood."""


CATALOGERS: tuple[Cataloger, ...] = (
    *(dpkg, apk, rpm, pacman, gentoo),
    *(python, npm, ruby, php, dotnet, conda, rlang, java, lua, conan),
    *(wordpress, jvm, bitnami, pear, kernel),
)

# Asked of every file of every layer, nearly all of which are none of these.
ENDINGS = (
    *("/status", "/installed", "/desc", "/DESCRIPTION", ".gemspec", ".json", *java.ENDINGS),
    *("/METADATA", "/PKG-INFO", ".egg-info", "/Packages", "/Packages.db", "/rpmdb.sqlite", "/rpmdb.sqlite-wal"),
    *("/CONTENTS", "/conaninfo.txt", "/release", ".php", ".rockspec", ".spdx"),
    *(".reg", "/modules.builtin", ".ko", ".ko.xz", ".ko.gz", ".ko.zst"),
)


def cataloger_of(path: str) -> Cataloger | None:
    """Who reads the file at `path`; None if nobody does."""
    if not path.endswith(ENDINGS) and not path.startswith(dpkg.FRAGMENTS):
        return None
    return next((cataloger for cataloger in CATALOGERS if cataloger.matches(path)), None)


def read(path: str, content: bytes, limits: InspectionLimits) -> tuple[Package, ...]:
    """The packages the file at `path` tells of, none if it is no such file. Raises `InvalidContentError` if it cannot
    be understood, `LimitExceededError` if it is too much.
    """
    cataloger = cataloger_of(path)
    if cataloger is java:  # what unpacks anything has bounds to keep
        return java.read(path, content, limits)
    return cataloger.read(path, content) if cataloger else ()


def must_be_read(path: str) -> bool:
    """Whether an image whose `path` leads to something nobody has read as that is not understood.

    Names such as `release` or an application's `package.json` are used for other things as well.
    """
    cataloger = cataloger_of(path)
    if cataloger is None or cataloger in (wordpress, jvm, kernel):
        return False
    return cataloger is not npm or npm.is_installation(path)
