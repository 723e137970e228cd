"""When a failed request is sent again, and for how long."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.upstream.retries import RetryPolicy

POLICY = RetryPolicy(more=3, seconds=20, first_pause=0.2)


@pytest.mark.parametrize(("failures", "longest"), [(1, 0.2), (2, 0.4), (3, 0.8)])
def test_pauses_double_and_are_drawn_from_their_whole_range(failures: int, longest: float) -> None:
    assert POLICY.pause(failures, 0, 0, 0.0) == 0
    assert POLICY.pause(failures, 0, 0, 0.5) == pytest.approx(longest / 2)
    assert POLICY.pause(failures, 0, 0, 1.0) == pytest.approx(longest)


def test_it_is_given_up_after_so_many_times() -> None:
    assert POLICY.pause(4, 0, 0, 0.0) is None
    assert RetryPolicy(more=0).pause(1, 0, 0, 0.0) is None


def test_nobody_comes_back_sooner_than_asked() -> None:
    assert POLICY.pause(1, 0, 7, 0.0) == 7
    assert POLICY.pause(1, 0, 7, 1.0) == pytest.approx(7.2)


def test_a_longer_wait_than_there_is_time_for_is_not_begun() -> None:
    assert POLICY.pause(1, 0, 20, 0.0) is None
    assert POLICY.pause(1, 13.1, 7, 0.0) is None
    assert POLICY.pause(1, 20, 0, 0.0) is None


@given(st.integers(1, 10), st.floats(0, 1e6), st.floats(0, 1e6), st.floats(0, 1))
def test_no_pause_is_negative_or_ends_after_the_time(failures: int, passed: float, asked: float, draw: float) -> None:
    pause = RetryPolicy(more=10, seconds=1000).pause(failures, passed, asked, draw)
    assert pause is None or (asked <= pause and passed + pause < 1000)
