"""What storage can fail with."""

from config.errors import ImagegateError


class StorageError(ImagegateError):
    """Something that must survive a restart could not be read or written."""


class StorageUnavailableError(StorageError):
    """The database or the content store does not answer, or its disk is full: nothing was recorded."""


class ContentMissingError(StorageError):
    """A blob that was asked for by digest is not in the content store."""


class ContentMovedError(StorageError):
    """Bytes were to be added where a staging area does not end (any more): nothing was added. `length` is its end."""

    def __init__(self, message: str, *, length: int) -> None:
        super().__init__(message)
        self.length = length


class ContentMismatchError(StorageError):
    """Bytes that were to be stored under a digest do not have it: nothing was stored."""


class SnapshotError(StorageError):
    """An advisory snapshot is missing, damaged, or could not be written."""


class SnapshotRefusedError(SnapshotError):
    """New advisory data looks worse than what is there (older, or much less of it): the old data stays."""
