"""The text of the counters, for many who ask."""

import asyncio
from collections.abc import Iterator

import pytest

from proxy.telemetry.exposition import Exposition


async def test_t76_it_is_made_one_at_a_time_and_once_for_all_who_wait() -> None:
    began, go = asyncio.Queue[int](), asyncio.Event()
    made = 0

    async def make() -> bytes:
        nonlocal made
        made += 1
        mine = made
        began.put_nowait(mine)
        await go.wait()
        return b"%d" % mine

    exposition = Exposition(make)
    first = asyncio.create_task(exposition.text())
    assert await began.get() == 1
    flood = [asyncio.create_task(exposition.text()) for _ in range(100)]
    await asyncio.wait(flood, timeout=0)
    go.set()

    assert await first == b"1"
    assert set(await asyncio.gather(*flood)) == {b"2"}, "what was counted before they asked is in what they get"
    assert made == 2


async def test_one_that_cannot_be_made_is_tried_again() -> None:
    answers: Iterator[OSError | bytes] = iter([OSError("no room"), b"text"])

    async def make() -> bytes:
        answer = next(answers)
        if isinstance(answer, OSError):
            raise answer
        return answer

    exposition = Exposition(make)
    with pytest.raises(OSError, match="no room"):
        await exposition.text()
    assert await exposition.text() == b"text"
