"""One word for how bad it is."""

from collections.abc import Sequence
from typing import Any

import pytest

from config.vocabulary import Severity
from scanning.advisories.severity import severity
from tests.scanning.advisories.records import advisory, affected

_CRITICAL_V3 = {"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}
_HIGH_V3 = {"type": "CVSS_V3", "score": "CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N"}
_MEDIUM_V3 = {"type": "CVSS_V3", "score": "CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:N/A:N"}
_NONE_V3 = {"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N"}
_CRITICAL_V4 = {"type": "CVSS_V4", "score": "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N"}


def _severity(identifier: str = "X-1", *, package: dict[str, Any] | None = None, **more: Any) -> Severity:
    found = advisory(identifier, affected("npm", "x", **(package or {})), **more)
    return severity(found, found.affected[0])


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([_CRITICAL_V3], Severity.CRITICAL),
        ([_HIGH_V3], Severity.HIGH),
        ([_MEDIUM_V3], Severity.MEDIUM),
        ([_NONE_V3], Severity.LOW),
        ([_CRITICAL_V4], Severity.CRITICAL),
        ([_MEDIUM_V3, _CRITICAL_V4], Severity.CRITICAL),
        ([], Severity.UNRATED),
        ([{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N"}], Severity.UNRATED),
        ([{"type": "CVSS_V3", "score": "9.8"}], Severity.UNRATED),
        ([{"type": "CVSS_V3", "score": "CVSS:3.1/" + "AV:N/" * 5000}], Severity.UNRATED),
        ([{"type": "Ubuntu", "score": "high"}], Severity.HIGH),
    ],
)
def test_scores_become_words(scores: Sequence[dict[str, str]], expected: Severity) -> None:
    assert _severity(severity=scores) is expected


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("MODERATE", Severity.MEDIUM),
        ("CRITICAL", Severity.CRITICAL),
        ("Important", Severity.HIGH),
        ("?", Severity.UNRATED),
    ],
)
def test_words_count_where_there_is_no_score(word: str, expected: Severity) -> None:
    assert _severity(database_specific={"severity": word}) is expected


def test_a_score_stands_before_a_word() -> None:
    assert _severity(severity=[_MEDIUM_V3], database_specific={"severity": "CRITICAL"}) is Severity.MEDIUM


def test_the_packages_own_score_stands_before_the_records() -> None:
    assert _severity(package={"severity": [_MEDIUM_V3]}, severity=[_CRITICAL_V3]) is Severity.MEDIUM


def test_what_debian_calls_unimportant_is_low() -> None:
    assert (
        _severity(package={"ecosystem_specific": {"urgency": "unimportant"}}, severity=[_CRITICAL_V3]) is Severity.LOW
    )


def test_urgencies_that_say_nothing_leave_it_unrated() -> None:
    assert _severity(package={"ecosystem_specific": {"urgency": "not yet assigned"}}) is Severity.UNRATED


def test_malicious_packages_are_critical() -> None:
    assert _severity("MAL-2026-1") is Severity.CRITICAL
