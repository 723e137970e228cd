"""What goes on beside the requests."""

import asyncio

import pytest
from structlog.testing import capture_logs

from proxy.running import keep_up


async def test_a_background_job_that_fails_begins_again_and_says_so() -> None:
    tries: list[int] = []

    async def fails_twice() -> None:
        tries.append(len(tries))
        if len(tries) < 3:
            raise KeyError("nobody expected this")

    with capture_logs() as said:
        await keep_up(fails_twice, pause=0)

    assert tries == [0, 1, 2]
    assert [one["log_level"] for one in said if one["event"].startswith("a background job failed")] == ["critical"] * 2


async def test_a_background_job_that_is_cancelled_ends() -> None:
    begun = asyncio.Event()

    async def waits() -> None:
        begun.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(keep_up(waits))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
