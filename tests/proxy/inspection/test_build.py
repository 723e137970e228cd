"""The pool that the settings describe."""

import os

import pytest

from config.settings import Inspection
from proxy.inspection.build import inspection_pool, uploads_at_a_time


@pytest.mark.parametrize(
    ("settings", "takes_uploads", "for_uploads"),
    [
        (Inspection(workers=2), True, 1),
        (Inspection(workers=2), False, 2),
        (Inspection(workers=1), True, 1),
        (Inspection(workers=1, uploads=2), True, 2),
        (Inspection(workers=3, uploads=1), True, 2),
        (Inspection(workers=1, uploads=2), False, 1),
    ],
)
async def test_a_worker_is_kept_from_uploads_where_there_are_any(
    settings: Inspection, takes_uploads: bool, for_uploads: int
) -> None:
    pool = inspection_pool(settings, takes_uploads=takes_uploads)
    await pool.start()
    try:
        begun = [await pool.try_begin() for _ in range(4)]
        assert sum(running is not None for running in begun) == for_uploads
    finally:
        await pool.close()


@pytest.mark.parametrize(
    ("settings", "at_a_time"),
    [(Inspection(), 8), (Inspection(workers=5), 0), (Inspection(uploads=3), 3), (Inspection(workers=5, uploads=9), 9)],
)
def test_how_many_uploads_are_inspected_on_their_way(
    settings: Inspection, at_a_time: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    assert uploads_at_a_time(settings) == at_a_time
