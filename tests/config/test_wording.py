"""Numbers of things are told as people tell them."""

import pytest

from config.wording import counted


@pytest.mark.parametrize(
    ("number", "names", "told"),
    [
        (0, ("file",), "0 files"),
        (1, ("file",), "1 file"),
        (2, ("file",), "2 files"),
        (1, ("package of a distribution", "packages of a distribution"), "1 package of a distribution"),
        (21, ("package of a distribution", "packages of a distribution"), "21 packages of a distribution"),
    ],
)
def test_one_is_one_and_others_are_many(number: int, names: tuple[str, ...], told: str) -> None:
    assert counted(number, *names) == told
