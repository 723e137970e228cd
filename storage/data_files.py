"""Immutable SQLite files named by their digests: written once, by one, and read by many for one look-up at a time."""

import hashlib
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from scanning.errors import InvalidContentError
from scanning.oci.digest import Digest
from storage.errors import SnapshotError


@contextmanager
def creating(path: Path, schema: str, version: int) -> Iterator[sqlite3.Connection]:
    """A new file with `schema`; what is written to it is there when the block ends."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        # Nobody sees the file until it is published; a crash leaves a temporary file, not half an answer.
        connection.executescript(f"PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA user_version={version}")
        connection.executescript(schema)
        connection.execute("BEGIN")
        yield connection
        connection.execute("COMMIT")


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A published file. Raises `SnapshotError` where it, or what is read of it in the block, is missing or damaged."""
    # `immutable` takes no locks and needs no write permission: the file never changes once it has its name.
    location = f"{path.resolve().as_uri()}?mode=ro&immutable=1"
    try:
        with closing(sqlite3.connect(location, uri=True)) as connection:
            yield connection
    except (sqlite3.Error, zlib.error, InvalidContentError) as error:
        raise SnapshotError(
            f"the advisory data {path.name} is missing or damaged ({error}); "
            "import it again with `imagegate feeds import` or `imagegate feeds update`"
        ) from error


def digest(path: Path) -> Digest:
    """The sha256 of a file."""
    with path.open("rb") as file:
        return Digest("sha256", hashlib.file_digest(file, "sha256").hexdigest())
