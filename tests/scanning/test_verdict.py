"""When two verdicts say the same."""

from dataclasses import replace

import pytest

from tests.storage.values import verdict


@pytest.mark.parametrize(
    ("then", "now", "is_same"),
    [
        ("1 executable files", "1 executable file", True),
        ("1 packages of a distribution", "1 package of a distribution", True),
        ("1 of 1 packages", "1 of 1 package", True),
        ("curl 1, wget 1 and 1 more packages", "curl 1, wget 1 and 1 more package", True),
        ("1 executable files", "2 executable files", False),
        ("11 packages", "1 package", False),
        ("packages 1", "package 1", False),
    ],
)
def test_what_an_older_version_told_in_the_plural_is_the_same_of_one_only(then: str, now: str, is_same: bool) -> None:
    made = verdict("v1")
    old, new = (replace(made, violations=(replace(made.violations[0], subject=told),)) for told in (then, now))
    assert (old.decision == new.decision) is is_same
