"""One ecosystem's advisories as an immutable SQLite file, named by its digest.

The same records in the same order give the same bytes. Readers open it immutable, for one look-up at a time.
"""

import sqlite3
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from scanning.advisories.osv import Advisory
from scanning.documents import decode, encode
from scanning.errors import InvalidContentError
from storage.data_files import creating, reading

_FORMAT = 1
_SCHEMA = """
CREATE TABLE advisory (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, document BLOB NOT NULL);
CREATE TABLE package (name TEXT NOT NULL, advisory INTEGER NOT NULL, PRIMARY KEY (name, advisory)) WITHOUT
ROWID;
"""
_QUERY = "SELECT number, document FROM package JOIN advisory ON advisory = number WHERE name = ? ORDER BY number"
_NAMES = "SELECT DISTINCT name FROM package"
_MAX_DOCUMENT = 64 * 1024 * 1024
_OLDEST = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Contents:
    """What a data file holds: how many advisories, the newest `modified` of them, and for which releases."""

    records: int
    newest: datetime
    releases: tuple[str, ...]


def fill(path: Path, ecosystem: str, advisories: Iterable[Advisory]) -> Contents:
    """Write the advisories of one ecosystem to a new file, and say what came in.

    Withdrawn advisories and what a record says of other ecosystems are left out. Raises
    `InvalidContentError` for an id that comes twice, `sqlite3.Error` when the file cannot be written.
    """
    records, newest = 0, _OLDEST
    releases: set[str] = set()
    with creating(path, _SCHEMA, _FORMAT) as connection:
        for advisory in advisories:
            affected = tuple(entry for entry in advisory.affected if entry.ecosystem == ecosystem)
            if not affected:
                continue
            # Also of what was withdrawn: data that only withdraws its newest record is no step back.
            newest = max(newest, advisory.modified)
            if advisory.withdrawn is not None:
                continue
            records += 1
            releases.update(f"{ecosystem}:{entry.release}" for entry in affected if entry.release)
            document = zlib.compress(encode(replace(advisory, affected=affected)), level=3)
            try:
                connection.execute("INSERT INTO advisory VALUES (?, ?, ?)", (records, advisory.id, document))
            except sqlite3.IntegrityError as error:
                raise InvalidContentError(
                    f"the {ecosystem} advisories hold {advisory.id} twice: nobody can say which one counts"
                ) from error
            names = sorted({(entry.package, records) for entry in affected})
            connection.executemany("INSERT INTO package VALUES (?, ?)", names)
    return Contents(records, newest, tuple(sorted(releases)))


def lookup(path: Path, names: Iterable[str], *, ignore_case: bool = False) -> Mapping[str, tuple[Advisory, ...]]:
    """The advisories about each of `names`, ordered as they came; names without any are left out.

    Raises `SnapshotError` if the file is missing or damaged.
    """
    found: dict[str, tuple[Advisory, ...]] = {}
    with reading(path) as connection:
        spellings = _spellings(connection) if ignore_case else {}
        for name in names:
            rows: dict[int, bytes] = {}
            for spelling in spellings.get(name.lower(), (name,)):
                rows.update(connection.execute(_QUERY, (spelling,)))
            if rows:
                found[name] = tuple(_advisory(rows[number]) for number in sorted(rows))
    return found


def _spellings(connection: sqlite3.Connection) -> Mapping[str, Sequence[str]]:
    """How each name is spelled that advisories speak of, by its small letters."""
    found: dict[str, list[str]] = {}
    for (name,) in connection.execute(_NAMES):
        found.setdefault(name.lower(), []).append(name)
    return found


def _advisory(document: bytes) -> Advisory:
    return decode(Advisory, zlib.decompressobj().decompress(document, _MAX_DOCUMENT))
