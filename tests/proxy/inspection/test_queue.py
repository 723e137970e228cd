"""Who is served next, and who may not even wait."""

import asyncio

import pytest

from proxy.inspection.errors import InspectionFailedError, InspectionQueueFullError
from proxy.inspection.queue import FairQueue


def served(queue: FairQueue[int], turns: dict[str, list[asyncio.Future[int]]]) -> list[str]:
    """Whose turns are served, in that order, until nobody waits."""
    order: list[str] = []
    known: set[asyncio.Future[int]] = set()
    while queue.serve(len(order)):
        (name,) = [name for name, own in turns.items() for turn in own if turn.done() and turn not in known]
        known |= {turn for own in turns.values() for turn in own if turn.done()}
        order.append(name)
    return order


async def test_t75_tenants_take_turns_however_much_each_asks_for() -> None:
    queue: FairQueue[int] = FairQueue(10)

    turns = {name: [queue.join(name) for _ in range(count)] for name, count in (("a", 5), ("b", 1), ("c", 2))}

    assert served(queue, turns) == ["a", "b", "c", "a", "c", "a", "a", "a"]


async def test_one_tenant_is_served_in_the_order_it_asked() -> None:
    queue: FairQueue[int] = FairQueue(10)
    turns = [queue.join("a") for _ in range(3)]

    for number in range(3):
        assert queue.serve(number)

    assert [await turn for turn in turns] == [0, 1, 2]
    assert not queue.serve(3)


async def test_t75_more_than_the_bound_of_one_tenant_may_not_wait() -> None:
    queue: FairQueue[int] = FairQueue(2)
    for _ in range(2):
        queue.join("a")

    with pytest.raises(InspectionQueueFullError, match="2 layers of this token wait to be inspected already"):
        queue.join("a")

    queue.join("b")
    for _ in range(5):
        queue.join("")
    queue.serve(1)
    queue.join("a")


async def test_whoever_left_is_passed_over_and_leaves_room() -> None:
    queue: FairQueue[int] = FairQueue(2)
    gone, stays = queue.join("a"), queue.join("a")
    queue.leave("a", gone)
    queue.leave("a", gone)
    queue.leave("b", gone)
    late = queue.join("a")

    assert queue.serve(1)
    assert queue.serve(2)

    assert (await stays, await late) == (1, 2)
    assert not gone.done()
    assert not queue.serve(3)


async def test_a_turn_that_was_cancelled_takes_nothing_from_others() -> None:
    queue: FairQueue[int] = FairQueue(2)
    cancelled, other = queue.join("a"), queue.join("b")
    cancelled.cancel()

    assert queue.serve(1)

    assert await other == 1
    assert not queue.serve(2)


async def test_all_who_wait_are_told_that_there_is_nothing() -> None:
    queue: FairQueue[int] = FairQueue(2)
    turns = [queue.join("a"), queue.join("b")]

    queue.fail(InspectionFailedError("the gate stops"))

    for turn in turns:
        with pytest.raises(InspectionFailedError, match="the gate stops"):
            await turn
