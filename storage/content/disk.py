"""What local disks fail with."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from storage.errors import StorageUnavailableError


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Every `OSError` becomes a `StorageUnavailableError` that names the folder."""
    try:
        yield
    except OSError as error:
        raise StorageUnavailableError(
            f"the content store in {folder} cannot be used ({error.strerror or error}), so nothing was recorded; check"
            " that its disk is there and not full, and that imagegate may write to it"
        ) from error
