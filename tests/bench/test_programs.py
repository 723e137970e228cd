"""What is measured of a program that is run to its end."""

import os

import pytest

from bench.errors import BenchError
from bench.programs import run


def test_a_program_that_ends_at_once_held_memory_too() -> None:
    assert run(["true"], os.environ).peak_mib > 0


def test_what_it_prints_is_kept_and_its_status_is_looked_at() -> None:
    assert run(["sh", "-c", "echo told; exit 1"], os.environ, (0, 1)).output == b"told\n"
    with pytest.raises(BenchError, match="sh ended with 3: wrong"):
        run(["sh", "-c", "echo wrong >&2; exit 3"], os.environ)
