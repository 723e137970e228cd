"""Every input that fuzzing has kept is read or refused, here without a fuzzer: the targets themselves stay right."""

import pytest

from tests.fuzz import corpus
from tests.fuzz.targets import TARGETS


@pytest.mark.parametrize("target", TARGETS)
def test_what_fuzzing_has_kept_is_read_or_refused_and_nothing_else(target: str) -> None:
    inputs = corpus.read(target)
    assert inputs, f"there is no corpus of {target}: python -m tests.fuzz.seeds"
    for content in (b"", *inputs):
        TARGETS[target](content)
