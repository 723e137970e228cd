"""A step that comes out otherwise than it must is shown, and counts."""

import io

import pytest
from rich.console import Console

from proxy.demo.client import Answer
from proxy.demo.stage import Expected, Stage


def stage() -> tuple[Stage, io.StringIO]:
    """A stage and what it prints."""
    output = io.StringIO()
    return Stage(Console(file=output, markup=False, highlight=False)), output


def test_what_comes_out_as_it_must_is_ticked_and_its_line_is_whole() -> None:
    shown, output = stage()
    line = "team/app:1 is refused: " + "word " * 100
    shown.step("developer", "push team/app:1", Answer(403, "DENIED", line), Expected(403, "DENIED", ("refused",)))
    assert (shown.steps, shown.deviations) == (1, 0)
    assert "✓" in output.getvalue()
    assert line.rstrip() in output.getvalue()


@pytest.mark.parametrize(
    ("answer", "expected", "said"),
    [
        (Answer(201), Expected(403, "DENIED"), "expected 403 DENIED"),
        (Answer(403, "UNAUTHORIZED"), Expected(403, "DENIED"), "expected 403 DENIED"),
        (Answer(404, "MANIFEST_UNKNOWN", "gone"), Expected(200), "expected 200"),
        (Answer(403, "DENIED", "no"), Expected(403, "DENIED", ("CVE-1",)), "the line does not mention 'CVE-1'"),
        (Answer(201, line='299 - "held"'), Expected(201), "expected no warning"),
    ],
)
def test_what_comes_out_otherwise_is_marked_and_counted(answer: Answer, expected: Expected, said: str) -> None:
    shown, output = stage()
    shown.step("operator", "pull team/app:1", answer, expected)
    shown.step("operator", "pull team/app:1", Answer(200), Expected(200))
    assert (shown.steps, shown.deviations) == (2, 1)
    assert "✗" in output.getvalue()
    assert said in output.getvalue()


def test_what_a_gate_says_cannot_steer_the_terminal() -> None:
    shown, output = stage()
    shown.step("operator", "pull", Answer(403, "DENIED", "\x1b[2J\nforged"), Expected(403, "DENIED"))
    assert "\x1b" not in output.getvalue()
    assert "\\x1b[2J\\nforged" in output.getvalue()
