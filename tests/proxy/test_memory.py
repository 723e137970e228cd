"""Giving memory back: when it may be worth it, ever more rarely while it is not, and that it works."""

from dataclasses import dataclass

import pytest

from proxy.memory import GivingBack, giving_back, resident_bytes

MIB = 1 << 20


@dataclass
class Process:
    """A process that holds so much, of which so much is free."""

    holds: int
    free: int = 0
    asked: int = 0

    def resident(self) -> int:
        return self.holds

    def give_back(self) -> None:
        self.asked += 1
        self.holds -= self.free
        self.free = 0


def test_nothing_is_done_while_the_process_holds_little_more_than_it_ever_did() -> None:
    process = Process(100 * MIB)
    giving = GivingBack(process.resident, process.give_back, process.holds)
    for holds in (110, 131, 90, 121):  # compared with the least, which is 90 in the end
        process.holds = holds * MIB
        assert giving.look() == 10
    assert process.asked == 0
    process.holds = 122 * MIB
    giving.look()
    assert process.asked == 1


def test_what_is_in_use_is_looked_at_ever_more_rarely_and_given_back_once_it_is_free() -> None:
    process = Process(100 * MIB)
    giving = GivingBack(process.resident, process.give_back, process.holds)
    process.holds = 300 * MIB
    assert [giving.look() for _ in range(7)] == [20, 40, 80, 160, 320, 600, 600]
    process.free = 200 * MIB
    assert giving.look() == 10
    assert (process.holds, process.asked) == (100 * MIB, 8)
    giving.look()
    assert process.asked == 8


def test_what_was_freed_between_what_is_in_use_and_what_holds_itself_is_given_back() -> None:
    give_back = giving_back()
    if give_back is None:
        pytest.skip("the C library has no malloc_trim")
    pieces: list[object] = [bytearray(4000) for _ in range(20_000)]
    kept = pieces[::500]
    cycle: list[object] = [pieces]
    cycle.append(cycle)
    before = resident_bytes()
    del pieces, cycle
    give_back()
    assert resident_bytes() < before - 40 * MIB
    assert len(kept) == 40
