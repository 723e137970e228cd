"""Keeps a fault of a reader to the one file that it met: a refusal of the image, and no end of the inspection.

Readers refuse by `InvalidContentError` whatever they cannot understand. Any other error of theirs is a fault of the
gate, and nothing about the layer could be told if it ended the inspection: pushed again, it would only fail again.
"""

from config.errors import ImagegateError
from scanning.facts import FAULT, FileEntry, FileFinds
from scanning.layers.inspect import FileExaminer

_MOST_SHOWN = 200


class GuardedExaminer:
    """Passes everything on to `examiner`. Where that fails, the file's finds say so: `limit` is `FAULT`.

    What is refused on purpose, and the end of memory or processor time, is nobody's fault and goes on to the caller.
    """

    __slots__ = ("_entry", "_examiner", "_failure")

    def __init__(self, examiner: FileExaminer) -> None:
        self._examiner = examiner
        self._entry: FileEntry | None = None
        self._failure: FileFinds | None = None

    def look_at(self, piece: bytes) -> None:
        """See `FileExaminer`, as for all others."""
        self._examiner.look_at(piece)

    def examine(self, entry: FileEntry, content: memoryview, start: int) -> FileFinds | None:
        """Say what a regular file told."""
        try:
            return self._examiner.examine(entry, content, start)
        except Exception as error:  # noqa: BLE001  # whatever a reader got wrong: the file is refused by its name
            return _fault(entry, error)

    def begin(self, entry: FileEntry) -> None:
        """Begin a regular file."""
        self._entry, self._failure = entry, None
        try:
            self._examiner.begin(entry)
        except Exception as error:  # noqa: BLE001  # as above
            self._failure = _fault(entry, error)

    def feed(self, chunk: memoryview, start: int) -> None:
        """Take the next bytes of the file begun; none of one that failed already."""
        if self._failure is not None or self._entry is None:
            return
        try:
            self._examiner.feed(chunk, start)
        except Exception as error:  # noqa: BLE001  # as above
            self._failure = _fault(self._entry, error)

    def finish(self) -> FileFinds | None:
        """Say what the file begun told."""
        entry, self._entry = self._entry, None
        failure, self._failure = self._failure, None
        if failure is not None or entry is None:
            return failure
        try:
            return self._examiner.finish()
        except Exception as error:  # noqa: BLE001  # as above
            return _fault(entry, error)

    def examine_link(self, entry: FileEntry) -> FileFinds | None:
        """Say what a link tells by its names."""
        return self._examiner.examine_link(entry)


def _fault(entry: FileEntry, error: Exception) -> FileFinds:
    """What there is to say of the file. Raises what is no fault."""
    if isinstance(error, ImagegateError | MemoryError):
        raise error
    shown = f"{type(error).__name__}: {error}"[:_MOST_SHOWN]
    problem = (
        f"{entry.path} makes a reader of the gate fail ({shown}); report this as a fault of imagegate, and leave the"
        " file out until it is mended"
    )
    return FileFinds(entry.path, problem=problem, limit=FAULT)
