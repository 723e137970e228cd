"""What many want at the same time is done once, on behalf of all of them."""

import asyncio

from proxy.shared_tasks import SharedTasks
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
