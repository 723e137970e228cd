"""How fast uploads come, and when they leave time for what can wait."""

from pathlib import Path

import pytest

from proxy.gate.pace import UploadPace, shared_weights
from tests.proxy.face import Time

BUSY = 1000.0


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def pace(time: Time) -> UploadPace:
    return UploadPace(BUSY, time.monotonic)


def arrive(pace: UploadPace, time: Time, rate: float, seconds: float) -> None:
    """Ten pieces in each second."""
    for _ in range(round(10 * seconds)):
        pace.note(round(rate / 10))
        time.passed += 0.1


def test_it_is_calm_before_the_first_byte(pace: UploadPace) -> None:
    assert pace.seconds_until_calm() == 0


@pytest.mark.parametrize("seconds", [5, 50])
def test_what_comes_slower_than_the_bound_leaves_time(pace: UploadPace, time: Time, seconds: float) -> None:
    arrive(pace, time, 0.8 * BUSY, seconds)
    assert pace.seconds_until_calm() == 0


def test_what_comes_faster_does_not(pace: UploadPace, time: Time) -> None:
    arrive(pace, time, 2 * BUSY, 5)
    assert pace.seconds_until_calm() > 0


def test_it_is_calm_when_it_said_it_would_be(pace: UploadPace, time: Time) -> None:
    arrive(pace, time, 20 * BUSY, 5)
    pause = pace.seconds_until_calm()
    time.passed += 0.99 * pause
    assert pace.seconds_until_calm() > 0
    time.passed += 0.02 * pause
    assert pace.seconds_until_calm() == 0


def test_without_a_bound_it_is_always_calm(time: Time) -> None:
    pace = UploadPace(monotonic=time.monotonic)
    arrive(pace, time, 1e12, 1)
    assert pace.seconds_until_calm() == 0


def test_what_comes_to_one_process_is_no_time_for_the_other_either(time: Time, tmp_path: Path) -> None:
    one, other = (UploadPace(BUSY, time.monotonic, shared_weights(tmp_path / "pace", 2), seat) for seat in (0, 1))
    arrive(one, time, 0.7 * BUSY, 5)
    assert other.seconds_until_calm() == 0
    for _ in range(50):
        arrive(one, time, 0.7 * BUSY, 0.1)
        time.passed -= 0.1  # at the same time
        arrive(other, time, 0.7 * BUSY, 0.1)
    assert one.seconds_until_calm() == other.seconds_until_calm() > 0


def test_what_a_process_left_that_is_gone_fades(time: Time, tmp_path: Path) -> None:
    arrive(UploadPace(BUSY, time.monotonic, shared_weights(tmp_path / "pace", 2), 0), time, 5 * BUSY, 5)
    new = UploadPace(BUSY, time.monotonic, shared_weights(tmp_path / "pace", 2), 0)
    pause = new.seconds_until_calm()
    assert pause > 0
    time.passed += 1.01 * pause
    assert new.seconds_until_calm() == 0
