"""The brake on guessing."""

import pytest

from proxy.errors import TooManyRequestsError
from proxy.identity.throttle import Throttle
from tests.proxy.face import Time


@pytest.fixture
def throttle(time: Time) -> Throttle:
    return Throttle(failures=3, window=60, monotonic=time.monotonic)


def fail(throttle: Throttle, times: int, account: str = "ci", address: str = "192.0.2.1") -> None:
    for _ in range(times):
        throttle.check(account, address)
        throttle.failed(account, address)


def test_t10_after_too_many_failures_the_answer_is_to_wait(throttle: Throttle, time: Time) -> None:
    fail(throttle, 3)
    time.passed = 20
    with pytest.raises(TooManyRequestsError) as refused:
        throttle.check("ci", "192.0.2.1")
    assert refused.value.retry_after == 40


def test_t10_when_the_window_is_over_guessing_starts_anew(throttle: Throttle, time: Time) -> None:
    fail(throttle, 3)
    time.passed = 60
    fail(throttle, 3)
    with pytest.raises(TooManyRequestsError):
        throttle.check("ci", "192.0.2.1")


def test_t10_other_accounts_and_addresses_are_not_braked(throttle: Throttle) -> None:
    fail(throttle, 3)
    throttle.check("other", "192.0.2.1")
    throttle.check("ci", "192.0.2.2")


def test_t10_many_accounts_from_one_address_are_braked_together(throttle: Throttle) -> None:
    for number in range(30):
        fail(throttle, 1, account=f"account-{number}")
    with pytest.raises(TooManyRequestsError):
        throttle.check("one-more", "192.0.2.1")


def test_t10_an_ipv6_client_cannot_change_its_address_within_its_network(throttle: Throttle) -> None:
    for number in range(3):
        fail(throttle, 1, address=f"2001:db8::{number}")
    with pytest.raises(TooManyRequestsError):
        throttle.check("ci", "2001:db8::ffff")
    throttle.check("ci", "2001:db8:0:1::1")


def test_t10_memory_is_bounded_whatever_names_are_tried(time: Time) -> None:
    throttle = Throttle(failures=3, window=60, monotonic=time.monotonic)
    for number in range(30_000):
        throttle.failed(f"account-{number}", f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    assert len(throttle._counts) <= 20_000
