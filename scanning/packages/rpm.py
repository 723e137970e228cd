"""RPM packages: rpm's own database, in each of the places and formats it has had (rpm, "RPM Database").

Red Hat and its kin keep it in `var/lib/rpm`, newer ones in `usr/lib/sysimage/rpm`, ostree systems in `usr/share/rpm`.
Keys that were imported for checking signatures are kept there as packages called gpg-pubkey; they are none.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from scanning.errors import InvalidContentError
from scanning.facts import Ownership, Package
from scanning.packages.fields import checked_name, checked_version
from scanning.packages.rpmdb import berkeley, ndb, sqlite
from scanning.packages.rpmdb.header import Tag, read_files, read_header

FOLDERS = ("var/lib/rpm", "usr/lib/sysimage/rpm", "usr/share/rpm")
_FILES: Mapping[str, Callable[[bytes], Iterator[bytes]]] = {
    "Packages": berkeley.headers,
    "Packages.db": ndb.headers,
    "rpmdb.sqlite": sqlite.headers,
}
_LOG = "rpmdb.sqlite-wal"
DATABASES = tuple(f"{folder}/{name}" for folder in FOLDERS for name in _FILES)

_Found = TypeVar("_Found", Package, Ownership)
_KEYS = "gpg-pubkey"
_SOURCE = re.compile(r"(?P<name>.+)-(?P<version>[^-]+)-(?P<release>[^-]+)\.(?:no)?src\.rpm")


def matches(path: str) -> bool:
    """Whether `path` is a package database of this format, or a log that holds a part of one."""
    folder, _, name = path.rpartition("/")
    return folder in FOLDERS and (name in _FILES or name == _LOG)


def read(path: str, content: bytes) -> tuple[Package, ...]:
    """The packages that are installed. Raises `InvalidContentError` if the database cannot be understood."""
    return _read(path, content, _packages)


def ownership(path: str, content: bytes) -> tuple[Ownership, ...]:
    """What each package installed, and the digests of it. Raises as `read` does."""
    return _read(path, content, _ownership)


def _read(path: str, content: bytes, reader: Callable[[str, Iterator[bytes]], Iterator[_Found]]) -> tuple[_Found, ...]:
    name = path.rpartition("/")[2]
    if not content:
        return ()
    if name == _LOG:
        raise InvalidContentError(
            f"{path} holds changes that are not in the database yet; run rpm --rebuilddb when the image is built"
        )
    try:
        return tuple(reader(path, _bounded(_FILES[name](content), len(content))))
    except InvalidContentError as error:
        raise InvalidContentError(
            f"{path} is no rpm database that can be read: {error}; run rpm --rebuilddb when the image is built"
        ) from error


def _bounded(headers: Iterator[bytes], size: int) -> Iterator[bytes]:
    """No more of `headers` than fit into a database of `size` bytes: pages and slots of a hostile one lead to the same
    few again and again.
    """
    for header in headers:
        size -= len(header)
        if size < 0:
            raise InvalidContentError("it leads to the same package again and again")
        yield header


def _packages(path: str, headers: Iterator[bytes]) -> Iterator[Package]:
    for blob in headers:
        tags = read_header(blob)
        if tags.get(Tag.NAME) != _KEYS:
            yield _package(path, tags)


def _ownership(_: str, headers: Iterator[bytes]) -> Iterator[Ownership]:
    for blob in headers:
        name = read_header(blob).get(Tag.NAME, "")
        algorithm, files = read_files(blob)
        for is_configuration in (False, True):
            some = [file for file in files if file.is_configuration is is_configuration]
            if some:
                yield Ownership(
                    name,
                    tuple(file.path.removeprefix("/") for file in some),
                    algorithm,
                    tuple(file.digest for file in some) if algorithm else (),
                    is_configuration=is_configuration,
                )


def _package(path: str, tags: Mapping[Tag, str]) -> Package:
    for tag in (Tag.NAME, Tag.VERSION, Tag.RELEASE):
        if not tags.get(tag):
            raise InvalidContentError(f"package {tags.get(Tag.NAME, '')[:80]!r} has no {tag.name}")
    name = checked_name(tags[Tag.NAME], path)
    epoch = tags.get(Tag.EPOCH, "0")
    version = _version(epoch, tags[Tag.VERSION], tags[Tag.RELEASE])
    source = _SOURCE.fullmatch(tags.get(Tag.SOURCERPM, ""))
    licence = tags.get(Tag.LICENSE, "")
    return Package(
        type="rpm",
        name=name,
        version=checked_version(version, name, path),
        source_name=checked_name(source["name"], path) if source else name,
        # A source package's file name carries no epoch; the packages built from it share theirs.
        source_version=_version(epoch, source["version"], source["release"]) if source else version,
        path=path,
        architecture=tags.get(Tag.ARCH, ""),
        licences=(licence,) if licence else (),
    )


def _version(epoch: str, version: str, release: str) -> str:
    return f"{epoch}:{version}-{release}" if epoch != "0" else f"{version}-{release}"
