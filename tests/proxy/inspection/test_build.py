"""The pool that the settings describe."""

import pytest

from config.settings import Inspection
from proxy.inspection.build import inspection_pool


@pytest.mark.parametrize(("takes_uploads", "for_uploads"), [(True, 1), (False, 2)])
async def test_a_worker_is_kept_from_uploads_where_there_are_any(takes_uploads: bool, for_uploads: int) -> None:
    pool = inspection_pool(Inspection(workers=2), takes_uploads=takes_uploads)
    await pool.start()
    try:
        begun = [pool.try_begin() for _ in range(3)]
        assert sum(running is not None for running in begun) == for_uploads
    finally:
        await pool.close()
