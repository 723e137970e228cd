"""When an upstream is left alone, and how it is tried again."""

import asyncio
from collections.abc import Callable

import pytest

from proxy.upstream.breaker import CircuitBreaker
from proxy.upstream.port import UpstreamRefusedError, UpstreamSuspendedError, UpstreamUnavailableError


class Stopwatch:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Stopwatch:
    return Stopwatch()


@pytest.fixture
def breaker(clock: Stopwatch) -> CircuitBreaker:
    return CircuitBreaker("https://r.example", 3, 4.0, clock)


def answer(breaker: CircuitBreaker, status: int) -> None:
    with breaker.trial() as trial:
        trial.status = status


def break_off(breaker: CircuitBreaker) -> None:
    with pytest.raises(UpstreamUnavailableError) as caught, breaker.trial():
        raise UpstreamUnavailableError("connection refused")
    assert not isinstance(caught.value, UpstreamSuspendedError)


def refused_for(breaker: CircuitBreaker) -> int:
    """The Retry-After of a request that is not let through."""
    with pytest.raises(UpstreamSuspendedError, match=r"https://r\.example") as refusal:
        answer(breaker, 200)
    return refusal.value.retry_after


@pytest.mark.parametrize("fail", [break_off, lambda breaker: answer(breaker, 503)])
def test_so_many_failures_in_a_row_open_it(breaker: CircuitBreaker, fail: Callable[[CircuitBreaker], None]) -> None:
    for _ in range(3):
        fail(breaker)
    assert refused_for(breaker) == 1


def test_an_answer_between_failures_makes_them_count_anew(breaker: CircuitBreaker) -> None:
    for _ in range(5):
        break_off(breaker)
        break_off(breaker)
        answer(breaker, 404)
    answer(breaker, 200)


@pytest.mark.parametrize("status", [200, 401, 404, 429, 500])
def test_what_a_client_could_provoke_does_not_open_it(breaker: CircuitBreaker, status: int) -> None:
    for _ in range(20):
        answer(breaker, status)
    answer(breaker, 200)


def test_one_request_tries_whether_it_is_over(breaker: CircuitBreaker, clock: Stopwatch) -> None:
    for _ in range(3):
        break_off(breaker)
    clock.now += 1
    with breaker.trial() as trial:
        assert refused_for(breaker) == 1
        trial.status = 200
    for _ in range(2):
        break_off(breaker)
    answer(breaker, 200)


def test_each_failed_try_doubles_the_pause_up_to_the_longest(breaker: CircuitBreaker, clock: Stopwatch) -> None:
    for _ in range(3):
        break_off(breaker)
    for pause in (2, 4, 4):
        clock.now += 4
        break_off(breaker)
        assert refused_for(breaker) == pause
    clock.now += 4
    answer(breaker, 200)
    for _ in range(3):
        break_off(breaker)
    assert refused_for(breaker) == 1


def test_what_was_sent_before_it_opened_does_not_prolong_the_pause(breaker: CircuitBreaker, clock: Stopwatch) -> None:
    late = breaker.trial()
    late.__enter__()
    for _ in range(3):
        break_off(breaker)
    clock.now += 0.5
    reset = UpstreamUnavailableError("the connection was reset")
    assert not late.__exit__(UpstreamUnavailableError, reset, None)
    clock.now += 0.5
    answer(breaker, 200)


@pytest.mark.parametrize("leaving", [asyncio.CancelledError, UpstreamRefusedError("a redirect that is not followed")])
def test_a_try_that_ends_without_an_answer_lets_the_next_one_try(
    breaker: CircuitBreaker, clock: Stopwatch, leaving: BaseException
) -> None:
    for _ in range(3):
        break_off(breaker)
    clock.now += 1
    with pytest.raises((asyncio.CancelledError, UpstreamRefusedError)), breaker.trial():
        raise leaving
    answer(breaker, 200)


def test_a_stream_neither_opens_it_nor_tries_it(breaker: CircuitBreaker, clock: Stopwatch) -> None:
    for _ in range(20):
        with pytest.raises(UpstreamUnavailableError), breaker.trial(is_stream=True):
            raise UpstreamUnavailableError("the registry cut it short")
    answer(breaker, 200)
    for _ in range(3):
        break_off(breaker)
    clock.now += 1
    with pytest.raises(UpstreamSuspendedError), breaker.trial(is_stream=True):
        pass
    answer(breaker, 200)
    with breaker.trial(is_stream=True) as trial:
        trial.status = 202


def test_it_can_be_switched_off(clock: Stopwatch) -> None:
    breaker = CircuitBreaker("https://r.example", 0, 4.0, clock)
    for _ in range(100):
        break_off(breaker)
    answer(breaker, 200)
