"""What many want at the same time is done once, on behalf of all of them."""

import asyncio

import pytest

from proxy.shared_tasks import Rounds, SharedTasks
from proxy.upstream.slots import TENANT


async def test_a_task_is_found_until_it_ends_and_is_nobodys_own() -> None:
    tasks = SharedTasks[str, str]()
    go_on = asyncio.Event()

    async def work() -> str:
        await go_on.wait()
        return TENANT.get()

    TENANT.set("who asked first")
    task = tasks.begin("key", work())
    assert tasks.get("key") is task
    go_on.set()
    assert await task == ""
    await asyncio.sleep(0)
    assert tasks.get("key") is None


async def test_the_end_of_one_that_was_replaced_forgets_only_itself() -> None:
    tasks = SharedTasks[str, None]()
    go_on = asyncio.Event()

    async def fails() -> None:
        raise ValueError("nobody waits for it")

    async def waits() -> None:
        await go_on.wait()

    first, second = tasks.begin("key", fails()), tasks.begin("key", waits())
    await asyncio.wait([first])
    await asyncio.sleep(0)
    assert tasks.get("key") is second
    go_on.set()
    await second


async def test_whoever_comes_during_a_round_waits_for_one_more_together_with_all_others() -> None:
    rounds = Rounds[str, None]()
    ran: list[asyncio.Event] = []
    begun = asyncio.Semaphore(0)

    async def work() -> None:
        ran.append(asyncio.Event())
        begun.release()
        await ran[-1].wait()

    first = asyncio.create_task(rounds.round("key", work))
    await begun.acquire()
    late = [asyncio.create_task(rounds.round("key", work)) for _ in range(5)]
    other = asyncio.create_task(rounds.round("other key", work))
    await begun.acquire()
    ran[1].set()
    await other
    assert not first.done()

    ran[0].set()
    await first
    await begun.acquire()
    assert not any(task.done() for task in late)
    ran[2].set()
    await asyncio.gather(*late)
    assert len(ran) == 3


async def test_a_round_that_fails_tells_all_who_wait_for_it_and_leaves_the_next_ones_alone() -> None:
    rounds = Rounds[str, None]()

    async def fails() -> None:
        raise ValueError("as it does")

    async def works() -> None:
        return

    waiting = [asyncio.create_task(rounds.round("key", fails)) for _ in range(2)]
    assert [type(problem) for problem in await asyncio.gather(*waiting, return_exceptions=True)] == [ValueError] * 2
    await rounds.round("key", works)


async def test_one_who_goes_away_ends_no_round() -> None:
    rounds = Rounds[str, None]()
    go_on, ended = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        await go_on.wait()
        ended.set()

    one = asyncio.create_task(rounds.round("key", work))
    await asyncio.sleep(0)
    one.cancel()
    with pytest.raises(asyncio.CancelledError):
        await one
    go_on.set()
    await ended.wait()
