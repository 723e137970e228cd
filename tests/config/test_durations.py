"""Lengths of time."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from config.durations import Duration, end_after, format_duration, parse_duration

_adapter: TypeAdapter[timedelta] = TypeAdapter(Duration)


@pytest.mark.parametrize(
    ("text", "seconds"), [("1s", 1), ("90s", 90), ("15m", 900), ("72h", 259_200), ("30d", 2_592_000)]
)
def test_a_number_and_its_unit(text: str, seconds: int) -> None:
    assert _adapter.validate_python(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "wrong", ["", "72", "h", "-1h", "1.5h", "1 h", "1h30m", "1w", "99999999d", 72, 1.5, None, "0s"]
)
def test_everything_else_is_refused(wrong: object) -> None:
    with pytest.raises(ValidationError):
        _adapter.validate_python(wrong)


@given(st.integers(1, 10**7 - 1))
def test_what_is_written_reads_back(seconds: int) -> None:
    assert parse_duration(format_duration(timedelta(seconds=seconds))) == timedelta(seconds=seconds)


def test_what_lasts_has_an_end_that_a_calendar_has() -> None:
    start = datetime(2026, 3, 1, tzinfo=UTC)
    assert end_after(start, timedelta(days=31)) == datetime(2026, 4, 1, tzinfo=UTC)
    with pytest.raises(ValueError, match="longer than there are years"):
        end_after(start, parse_duration("9999999d"))
