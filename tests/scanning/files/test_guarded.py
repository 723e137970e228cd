"""A reader that fails refuses one file, and the inspection goes on."""

import pytest

from config.errors import ImagegateError
from scanning.errors import LimitExceededError
from scanning.facts import FAULT, FileEntry, FileFinds, Secret
from scanning.files.examine import Examiner
from scanning.files.guarded import GuardedExaminer
from scanning.layers.inspect import inspect_layer
from scanning.layers.limits import InspectionLimits
from tests.scanning.layers.archives import END, member

KEY = b"-----BEGIN RSA PRIVATE KEY-----\n" + b"MIIEowIBAAKCAQEAx9f\n" * 20 + b"-----END RSA PRIVATE KEY-----\n"
ARCHIVE = member(b"srv/odd", b"x" * 5000) + member(b"srv/key.pem", KEY) + END


class Failing(Examiner):
    """Fails on the files called odd: where one is whole, or in one step of those that come in pieces."""

    def __init__(self, step: str, error: Exception) -> None:
        super().__init__()
        self._step, self._error, self._is_odd = step, error, False

    def _fail(self, step: str) -> None:
        if self._is_odd and step == self._step:
            raise self._error

    def examine(self, entry: FileEntry, content: memoryview, start: int) -> FileFinds | None:
        self._is_odd = entry.path.endswith("odd")
        self._fail("examine")
        return super().examine(entry, content, start)

    def begin(self, entry: FileEntry) -> None:
        self._is_odd = entry.path.endswith("odd")
        self._fail("begin")
        super().begin(entry)

    def feed(self, chunk: memoryview, start: int) -> None:
        self._fail("feed")
        super().feed(chunk, start)

    def finish(self) -> FileFinds | None:
        self._fail("finish")
        return super().finish()


def inspected(step: str, error: Exception) -> tuple[FileFinds, ...]:
    """What the layer told, which comes in one piece or in small ones."""
    size = len(ARCHIVE) if step == "examine" else 1000
    pieces = [ARCHIVE[place : place + size] for place in range(0, len(ARCHIVE), size)]
    facts = inspect_layer(pieces, InspectionLimits(), GuardedExaminer(Failing(step, error)))
    assert facts.is_provisional
    return facts.finds


@pytest.mark.parametrize("step", ["examine", "begin", "feed", "finish"])
def test_a_file_that_a_reader_fails_on_is_told_and_the_others_are_read(step: str) -> None:
    odd, key = inspected(step, OverflowError("too large"))
    assert (odd.path, odd.limit) == ("srv/odd", FAULT)
    assert "srv/odd makes a reader of the gate fail (OverflowError: too large); report this" in odd.problem
    assert key.secrets == (Secret("private-key", "srv/key.pem", 1),)


@pytest.mark.parametrize("step", ["examine", "begin", "feed", "finish"])
@pytest.mark.parametrize("error", [MemoryError(), LimitExceededError("entries", 1)])
def test_what_is_no_fault_goes_on_to_the_caller(step: str, error: MemoryError | ImagegateError) -> None:
    with pytest.raises(type(error)):
        inspected(step, error)
