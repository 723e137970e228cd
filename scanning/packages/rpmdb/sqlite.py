"""rpm's SQLite database: one row a package, `Packages(hnum, blob)`."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing

from scanning.errors import InvalidContentError

MAGIC = b"SQLite format 3\0"

# SQLite's database file format, section 1.3
_HEADER_SIZE = 100
_PAGE_SIZE_AT, _CHANGES_AT, _PAGES_AT, _PAGES_VALID_FOR_AT = 16, 24, 28, 92
_LARGEST_PAGE = 65_536
_WRITE_VERSION = slice(18, 20)
"""File format write and read version: 2 means a write-ahead log."""
_NO_LOG = b"\1\1"


def headers(content: bytes) -> Iterator[bytes]:
    """The header of each package. Raises `InvalidContentError` if this is no such database.

    The database is opened from memory; it is read as one without a write-ahead log, which whoever calls this looks
    for beside it.
    """
    _check_length(content)
    image = bytearray(content)
    image[_WRITE_VERSION] = _NO_LOG
    try:
        with closing(sqlite3.connect(":memory:")) as database:
            database.deserialize(bytes(image))
            database.execute("PRAGMA trusted_schema = OFF")
            kind = database.execute("SELECT type FROM sqlite_master WHERE name = 'Packages'").fetchone()
            if kind != ("table",):
                raise InvalidContentError("it has no table Packages")
            for (blob,) in database.execute("SELECT blob FROM Packages ORDER BY hnum"):
                if not isinstance(blob, bytes):
                    raise InvalidContentError("a package in it is no blob")
                yield blob
    except (sqlite3.Error, UnicodeDecodeError, MemoryError) as error:  # what it says of a damaged file may be no text
        raise InvalidContentError(f"SQLite cannot read it: {error}") from error


def _check_length(content: bytes) -> None:
    """SQLite reads a file that was cut short as far as it goes."""
    if len(content) < _HEADER_SIZE or not content.startswith(MAGIC):
        raise InvalidContentError("it is no SQLite database")
    size = int.from_bytes(content[_PAGE_SIZE_AT : _PAGE_SIZE_AT + 2], "big")
    page = _LARGEST_PAGE if size == 1 else size
    pages = _number(content, _PAGES_AT)
    counts = _number(content, _CHANGES_AT) == _number(content, _PAGES_VALID_FOR_AT)
    if not page or len(content) % page or (counts and len(content) != pages * page):
        raise InvalidContentError(f"it has {len(content)} bytes, and says it has {pages} pages of {page}")


def _number(content: bytes, place: int) -> int:
    return int.from_bytes(content[place : place + 4], "big")
