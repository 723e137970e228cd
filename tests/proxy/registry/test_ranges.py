"""Ranges, whatever a client writes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import RangeNotSatisfiableError, UploadInvalidError
from proxy.registry.ranges import chunk_range, wanted_range

SIZES = st.integers(0, 1 << 40)
HEADERS = st.one_of(st.text(max_size=30), st.from_regex(r"bytes=\d{0,20}-\d{0,20}(,\d*-\d*)?"))


@given(HEADERS, SIZES)
def test_whatever_is_asked_the_answer_lies_inside_the_blob(header: str, size: int) -> None:
    try:
        span = wanted_range(header, size)
    except RangeNotSatisfiableError:
        return
    assert span is None or 0 <= span[0] < span[1] <= size


@given(st.integers(0, 1 << 50), st.integers(1, 1 << 50))
def test_a_chunk_says_where_it_lies(start: int, length: int) -> None:
    assert chunk_range(f"{start}-{start + length - 1}") == (start, start + length)
    assert chunk_range(f"bytes {start}-{start + length - 1}/*") == (start, start + length)


@given(st.text(max_size=40))
def test_a_chunk_range_is_read_or_refused(header: str) -> None:
    try:
        start, end = chunk_range(header)
    except UploadInvalidError:
        return
    assert 0 <= start < end


def test_nothing_of_an_empty_blob_can_be_asked_for() -> None:
    with pytest.raises(RangeNotSatisfiableError) as refused:
        wanted_range("bytes=0-0", 0)
    assert refused.value.size == 0
