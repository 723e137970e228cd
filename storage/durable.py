"""Files that are there whole or not at all: temporary file, fsync, rename, fsync of the folder."""

import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def temporary(folder: Path) -> Iterator[Path]:
    """An empty file in `folder`, to fill and `publish`; it is removed at the end if it was not."""
    handle, name = tempfile.mkstemp(prefix=".new-", dir=folder)
    os.close(handle)
    path = Path(name)
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def publish(new: Path, target: Path) -> None:
    """Put a finished file in its place, atomically; it survives a power cut when this returns."""
    _sync(new)
    new.replace(target)
    _sync(target.parent)


def write(target: Path, content: bytes) -> None:
    """Write a small file, atomically and durably, over whatever was there."""
    with temporary(target.parent) as new:
        new.write_bytes(content)
        publish(new, target)


def make_folder(folder: Path) -> None:
    """Make a folder for the gate alone, with the folders above it; they survive a power cut when this returns."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
        _sync(folder.parent)


def make_folders(parent: Path, names: Iterable[str]) -> None:
    """Make many folders in one, for the price of one."""
    make_folder(parent)
    for name in names:
        (parent / name).mkdir(mode=0o700, exist_ok=True)
    _sync(parent)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
