"""The folder for everything that survives a restart, readable by nobody else: it holds keys."""

from pathlib import Path

from storage.errors import StorageUnavailableError


def make_state_folder(path: Path) -> None:
    """Make it if it is not there. Raises `StorageUnavailableError`."""
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise StorageUnavailableError(
            f"the state folder {path} cannot be made ({error.strerror}); choose another with --state-dir, or let this"
            " user write there"
        ) from error
