"""Bounds that hold for a gate are shared among its processes."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.settings import Inspection, Settings, Throttle, Upstream
from proxy.serving.seats import Seat, share_of, upload_places


def settings(number: int) -> Settings:
    return Settings(
        inspection=Inspection(workers=min(number, 256), uploads=min(number, 256)),
        throttle=Throttle(failures=number),
        upstream=Upstream(max_connections=number),
    )


@given(st.integers(1, 1000), st.integers(2, 64))
def test_together_they_do_what_one_may_and_no_more_than_rounding_makes_of_it(bound: int, processes: int) -> None:
    whole, part = settings(bound), share_of(settings(bound), processes)
    for total, share in (
        (whole.inspection.workers, part.inspection.workers),
        (whole.throttle.failures, part.throttle.failures),
        (whole.upstream.max_connections, part.upstream.max_connections),
    ):
        assert share >= 1
        assert total <= share * processes < total + processes
    assert part.inspection.uploads == whole.inspection.uploads  # whichever process they come to
    assert upload_places(part, processes) >= whole.inspection.uploads


def test_one_process_has_everything() -> None:
    whole = settings(7)
    assert share_of(whole, 1) is whole


@pytest.mark.parametrize("processors", [1, 2, 8])
def test_without_a_number_each_has_a_worker_for_those_who_wait(
    monkeypatch: pytest.MonkeyPatch, processors: int
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: processors)
    inspection = share_of(Settings(), 2).inspection
    assert inspection.workers == (processors + 1) // 2 + 1
    assert inspection.uploads == 4 * processors
    assert upload_places(share_of(Settings(), 2), 2) == 4 * processors


def test_uploads_have_no_places_where_only_workers_are_set_and_never_fewer_than_workers() -> None:
    assert upload_places(share_of(Settings(inspection=Inspection(workers=4)), 2), 2) == 0
    assert upload_places(share_of(Settings(inspection=Inspection(workers=8, uploads=1)), 2), 2) == 6


def test_one_seat_leads() -> None:
    assert [Seat(number, 3).leads for number in range(3)] == [True, False, False]
    assert Seat().leads
