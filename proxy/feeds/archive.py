"""OSV records out of an archive or a folder, one at a time, within bounds.

An archive is read member by member and never unpacked to disk; its members are taken in the order of their
names, so that the same records always make the same snapshot.
"""

import zipfile
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from proxy.feeds.report import FeedError
from scanning.advisories.osv import MAX_RECORD_BYTES, Advisory, parse
from scanning.errors import InvalidContentError

_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is read of one archive or folder: `members`, and `total_bytes` of uncompressed records."""

    members: int = 1_000_000
    total_bytes: int = 16 * 1024**3


@dataclass(frozen=True, slots=True)
class Document:
    """One record as it came. `name` is where it came from, for messages."""

    name: str
    content: bytes


def read_archive(file: BinaryIO, name: str, limits: Limits | None = None) -> Iterator[Document]:
    """The `.json` members of a zip archive. Raises `FeedError` if it is damaged or passes a limit."""
    allowed = limits or Limits()
    try:
        with zipfile.ZipFile(file) as archive:
            members = [info for info in archive.infolist() if info.filename.endswith(".json")]
            _bounded(len(members), allowed.members, "members", name)
            total = 0
            for info in sorted(members, key=lambda one: one.filename):
                content = _member(archive, info, name)
                total += len(content)
                _bounded(total, allowed.total_bytes, "bytes", name)
                yield Document(f"{info.filename} in {name}", content)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError) as error:
        raise FeedError(f"{name} is not a whole zip archive ({error}); fetch it again from where it came") from error


def read_folder(folder: Path, others: Collection[Path] = (), limits: Limits | None = None) -> Iterator[Document]:
    """The `.json` files of a folder but `others`. Raises `FeedError` if one cannot be read or it passes a limit."""
    allowed = limits or Limits()
    try:
        paths = sorted(path for path in folder.glob("*.json") if path not in others)
        _bounded(len(paths), allowed.members, "files", str(folder))
        total = 0
        for path in paths:
            with path.open("rb") as file:
                content = file.read(MAX_RECORD_BYTES + 1)
            total += len(content)
            _bounded(total, allowed.total_bytes, "bytes", str(folder))
            yield Document(str(path), content)
    except OSError as error:
        raise FeedError(f"the folder {folder} cannot be read: {error}") from error


def read_record(path: Path) -> Iterator[Document]:
    """The one record in a file. Raises `OSError`."""
    with path.open("rb") as file:
        yield Document(str(path), file.read(MAX_RECORD_BYTES + 1))


def advisories(
    documents: Iterable[Document], malformed: Callable[[FeedError], None] | None = None
) -> Iterator[Advisory]:
    """Parse records. One that is malformed is given to `malformed` and left out, or raised where there is none."""
    for document in documents:
        try:
            advisory = parse(document.content)
        except InvalidContentError as error:
            problem = FeedError(f"{document.name}: {error}; use --force to leave such records out")
            if malformed is None:
                raise problem from error
            malformed(problem)
            continue
        yield advisory


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str) -> bytes:
    if info.compress_type not in _METHODS or info.flag_bits & 0x1:
        raise FeedError(f"{info.filename} in {name} is encrypted or not deflated: it is not read")
    with archive.open(info) as member:
        # The size an archive claims is not believed: only so much is inflated.
        content = member.read(MAX_RECORD_BYTES + 1)
    _bounded(len(content), MAX_RECORD_BYTES, "bytes", f"{info.filename} in {name}")
    return content


def _bounded(amount: int, allowed: int, unit: str, name: str) -> None:
    if amount > allowed:
        raise FeedError(f"{name} has more than {allowed} {unit}: more than advisory data ever needs")
