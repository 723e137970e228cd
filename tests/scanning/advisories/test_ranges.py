"""OSV's evaluation: introduced, fixed, last_affected, limit, and versions in so many words."""

from collections.abc import Mapping, Sequence

import pytest

from scanning.advisories.osv import Affected
from scanning.advisories.ranges import Hit, evaluate, newest
from tests.scanning.advisories.records import advisory, affected, fixed


def _affected(*ranges: Sequence[Mapping[str, str]], versions: Sequence[str] = (), ecosystem: str = "PyPI") -> Affected:
    return advisory("X-1", affected(ecosystem, "x", *ranges, versions=versions)).affected[0]


_TWO_BRANCHES = [*fixed("1.11.22"), *fixed("2.2.3", introduced="2.0")]


@pytest.mark.parametrize(
    ("version", "fix"),
    [("0.1", "1.11.22"), ("1.11.21", "1.11.22"), ("2.0", "2.2.3"), ("2.2.2", "2.2.3")],
)
def test_an_interval_tells_the_fix_that_closes_it(version: str, fix: str) -> None:
    assert evaluate(version, _affected(_TWO_BRANCHES)) == Hit(fixed=fix)


@pytest.mark.parametrize("version", ["1.11.22", "1.12", "2.2.3", "3.0"])
def test_outside_every_interval_nothing_is_found(version: str) -> None:
    assert evaluate(version, _affected(_TWO_BRANCHES)) is None


def test_events_count_in_the_order_of_versions_not_of_the_record() -> None:
    assert evaluate("2.1", _affected(list(reversed(_TWO_BRANCHES)))) == Hit(fixed="2.2.3")


@pytest.mark.parametrize(("version", "hit"), [("0.9", None), ("1.0", Hit()), ("1.5", Hit()), ("1.5.1", None)])
def test_last_affected_is_still_affected(version: str, hit: Hit | None) -> None:
    assert evaluate(version, _affected([{"introduced": "1.0"}, {"last_affected": "1.5"}])) == hit


@pytest.mark.parametrize(("version", "hit"), [("0.9", None), ("1.0", Hit()), ("1.0.1", None)])
def test_one_version_may_be_the_whole_interval(version: str, hit: Hit | None) -> None:
    assert evaluate(version, _affected([{"introduced": "1.0"}, {"last_affected": "1.0"}])) == hit


@pytest.mark.parametrize(("version", "hit"), [("1.9", Hit()), ("2.0", None), ("2.1", None)])
def test_beyond_a_limit_nothing_is_said(version: str, hit: Hit | None) -> None:
    assert evaluate(version, _affected([{"introduced": "0"}, {"limit": "2.0"}])) == hit


def test_a_star_is_no_limit() -> None:
    assert evaluate("99", _affected([{"introduced": "0"}, {"limit": "*"}])) == Hit()


def test_what_was_never_fixed_stays_open() -> None:
    assert evaluate("99", _affected([{"introduced": "0"}])) == Hit(fixed="")


def test_a_fix_of_an_older_branch_is_no_fix_for_a_newer_one() -> None:
    assert evaluate("2.1", _affected(fixed("1.5"), [{"introduced": "2.0"}])) == Hit(fixed="")


def test_introduced_anew_at_the_version_of_a_fix_is_affected() -> None:
    assert evaluate("1.5", _affected([*fixed("1.5"), {"introduced": "1.5"}])) == Hit()


def test_zero_is_before_every_version() -> None:
    assert evaluate("0~~", _affected(fixed("1"), ecosystem="Debian")) == Hit(fixed="1")


def test_a_listed_version_is_affected_whatever_the_ranges_say() -> None:
    assert evaluate("3.0", _affected(fixed("2.0"), fixed("4.0", "3.1"), versions=["3.0"])) == Hit(fixed="4.0")


def test_a_listed_version_may_be_written_otherwise() -> None:
    assert evaluate("1.0", _affected(versions=["1.0.0"])) == Hit()
    assert evaluate("1.1", _affected(versions=["1.0.0"])) is None


def test_an_installed_version_that_is_none_is_found_exactly_in_the_list() -> None:
    assert evaluate("2005-05-05-final", _affected(fixed("2"), versions=["2005-05-05-final"])) == Hit(fixed="2")


def test_an_installed_version_that_is_none_is_an_uncertain_hit() -> None:
    hit = evaluate("not a version", _affected(fixed("2"), versions=["1"]))

    assert hit is not None
    assert "PEP 440" in hit.uncertain
    assert hit.fixed == "2"


def test_and_so_it_is_where_only_versions_are_listed() -> None:
    hit = evaluate("not a version", _affected(versions=["1"]))

    assert hit is not None
    assert hit.uncertain


def test_a_fix_that_cannot_be_ordered_is_an_uncertain_hit() -> None:
    hit = evaluate("1.0-r0", _affected(fixed("no-version-r1"), ecosystem="Alpine"))

    assert hit is not None
    assert "no-version-r1" in hit.uncertain
    assert hit.fixed == "no-version-r1"


def test_a_certain_hit_outweighs_a_doubtful_range() -> None:
    assert evaluate("1.0", _affected(fixed("??"), fixed("2"))) == Hit(fixed="2")


def test_an_advisory_without_versions_is_an_uncertain_hit() -> None:
    hit = evaluate("1.0", _affected())

    assert hit is not None
    assert "names no versions" in hit.uncertain


def test_the_newest_of_several_versions() -> None:
    assert newest("PyPI", ["1.10", "", "1.9"]) == "1.10"
    assert newest("PyPI", []) == ""
    assert newest("PyPI", ["1.10", "??"]) == "??"
