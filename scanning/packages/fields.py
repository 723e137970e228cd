"""What every package format has in common: names and versions that can be printed, compared and put into a purl."""

import re

from scanning.errors import InvalidContentError

MAX_NAME_LENGTH = 256
MAX_VERSION_LENGTH = 256

_NAME = re.compile(r"\.?[A-Za-z0-9_~][A-Za-z0-9+._~-]*")
_VERSION = re.compile(r"[!-~]+")


def text_of(content: bytes) -> str:
    """Read `content` as UTF-8, with or without a byte order mark; other bytes become `\\xNN`."""
    return content.decode("utf-8", "backslashreplace").removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}")


def checked_name(name: str, path: str) -> str:
    """Return `name` if it can be a package's name. Raises `InvalidContentError` naming the file `path`."""
    if len(name) > MAX_NAME_LENGTH or _NAME.fullmatch(name) is None:
        raise InvalidContentError(f"{path} names a package {name[:80]!r}, which is no package name; restore the file")
    return name


def checked_version(version: str, name: str, path: str) -> str:
    """Return `version` if it is printable and without spaces. Raises `InvalidContentError` naming the file `path`."""
    if len(version) > MAX_VERSION_LENGTH or _VERSION.fullmatch(version) is None:
        raise InvalidContentError(
            f"{path} gives package {name} the version {version[:80]!r}, which is no version; restore the file"
        )
    return version
