"""What a snapshot holds beside advisories: documents by name, in an immutable SQLite file named by its digest."""

import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeVar

from scanning.documents import decode, encode
from scanning.errors import InvalidContentError
from storage.data_files import creating, reading

Value = TypeVar("Value")

_FORMAT = 1
_SCHEMA = "CREATE TABLE entry (name TEXT PRIMARY KEY, document TEXT NOT NULL) WITHOUT ROWID"


def fill(path: Path, entries: Iterable[tuple[str, object]]) -> int:
    """Write values by name to a new file, and say how many there are.

    Raises `InvalidContentError` for a name that comes twice, `sqlite3.Error` when the file cannot be written.
    """
    number = 0
    with creating(path, _SCHEMA, _FORMAT) as connection:
        for name, value in entries:
            number += 1
            try:
                connection.execute("INSERT INTO entry VALUES (?, ?)", (name, encode(value).decode()))
            except sqlite3.IntegrityError as error:
                raise InvalidContentError(f"it holds {name} twice: nobody can say which one counts") from error
    return number


def lookup(path: Path, kind: type[Value], names: Iterable[str]) -> Mapping[str, Value]:
    """The values of `names`, without those that have none. Raises `SnapshotError` if the file is missing or damaged."""
    found: dict[str, Value] = {}
    with reading(path) as connection:
        for name in names:
            row = connection.execute("SELECT document FROM entry WHERE name = ?", (name,)).fetchone()
            if row:
                found[name] = decode(kind, row[0].encode())
    return found
