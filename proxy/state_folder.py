"""The folder for everything that survives a restart, readable by nobody else: it holds keys."""

import fcntl
import os
from pathlib import Path

import structlog

from storage.errors import StorageUnavailableError

_LOCK = "serving.lock"
_log = structlog.get_logger(__name__)


class Claim:
    """Says which gate a state folder serves, by a locked file: the lock goes with the process. Commands beside a gate,
    and the other serving processes of one, make none.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._handle: int | None = None

    def warnings(self) -> tuple[str, ...]:
        """What is wrong while another gate has the folder. Once it is free it is this gate's until `close`."""
        if self._is_ours():
            return ()
        said = (
            "another gate serves from the same state folder, so what is done on a schedule is done twice, and each"
            " allows as much as both together should: stop one of them, or give it a folder of its own (state_dir)"
        )
        _log.warning(said, state_dir=str(self._folder))
        return (said,)

    def close(self) -> None:
        """Give the folder up."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def _is_ours(self) -> bool:
        """Raises `StorageUnavailableError` where it cannot be told."""
        if self._handle is not None:
            return True
        path = self._folder / _LOCK
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise _unusable(path, error) from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return False
        except OSError as error:
            os.close(handle)
            raise _unusable(path, error) from error
        self._handle = handle
        return True


def _unusable(path: Path, error: OSError) -> StorageUnavailableError:
    return StorageUnavailableError(
        f"the lock {path} cannot be had ({error.strerror}); check that its disk is there, and that the gate may write"
        " to its state folder"
    )


def make_state_folder(path: Path) -> None:
    """Make it if it is not there. Raises `StorageUnavailableError`."""
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise StorageUnavailableError(
            f"the state folder {path} cannot be made ({error.strerror}); choose another with --state-dir, or let this"
            " user write there"
        ) from error
