"""What fails again and again is tried ever more rarely."""

from proxy.pauses import Pauses
from tests.proxy.face import Time


def test_pauses_grow_to_the_longest() -> None:
    time = Time()
    pauses = Pauses[str](time.monotonic, longest=5)
    waited: list[float] = []
    for _ in range(5):
        pauses.failed("a")
        began = time.passed
        while not pauses.is_due("a"):
            time.passed += 1
        waited.append(time.passed - began)

    assert waited == [1, 2, 4, 5, 5]
    assert pauses.is_due("b")


def test_what_is_wanted_no_more_is_forgotten() -> None:
    pauses = Pauses[str](Time().monotonic)
    pauses.failed("a")
    pauses.failed("b")

    pauses.keep_only({"b", "c"})

    assert pauses.is_due("a")
    assert not pauses.is_due("b")
