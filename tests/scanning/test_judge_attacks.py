"""What is attacked, and what nobody mends any more, under the rules that ask for it."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from config.vocabulary import Severity
from scanning.advisories.exploitation import Exploited, Forecast
from scanning.advisories.lifecycle import End, Release
from scanning.advisories.model import AdvisoryBasis, AdvisoryReport
from scanning.judge import judge
from scanning.verdict import Outcome, Verdict
from tests.scanning.test_judge import FINDING, FRESH, NOW, case, facts, policy

MILD = replace(FINDING, severity=Severity.LOW)
UNFIXED = replace(MILD, fixed_version="")
KNOWN = Exploited("CVE-2026-84782", date(2026, 11, 2), ransomware=True)
LIKELY = Forecast("CVE-2026-84782", 0.72, 0.98)
BASIS = replace(FRESH, exploited_at=NOW - timedelta(hours=1), forecasts_at=NOW - timedelta(hours=1))


def told(verdict: Verdict) -> list[tuple[str, str]]:
    return [(one.rule, one.subject) for one in (*verdict.violations, *verdict.warnings)]


@pytest.mark.parametrize("finding", [MILD, UNFIXED, replace(MILD, severity=Severity.UNRATED)])
def test_h11_what_is_exploited_is_refused_however_mild_and_with_or_without_a_fix(finding: Any) -> None:
    found = case(advisories=AdvisoryReport(BASIS, (replace(finding, exploited=KNOWN),)))
    rule = {"severity": "critical", "fixable": True, "unrated": "low"}
    assert judge(found, policy(deny={"findings": rule}), NOW).outcome is Outcome.ADMIT

    verdict = judge(found, policy(deny={"findings": {**rule, "known_exploited": True}}), NOW)

    assert (verdict.outcome, verdict.violations[0].check) == (Outcome.REJECT, "H11")
    assert "known to be exploited since 2026-11-02, used for ransom" in verdict.violations[0].sentence


def test_what_is_exploited_comes_first() -> None:
    worse = replace(FINDING, advisory="CVE-2026-1", aliases=(), severity=Severity.CRITICAL)
    found = case(advisories=AdvisoryReport(BASIS, (worse, replace(MILD, exploited=KNOWN))))
    verdict = judge(found, policy(deny={"findings": {"known_exploited": True}}), NOW)
    assert [one.check for one in verdict.violations] == ["H11", "H10"]


@pytest.mark.parametrize(
    ("threshold", "outcome"), [(0.73, Outcome.ADMIT), (0.72, Outcome.REJECT), (0.5, Outcome.REJECT)]
)
def test_what_is_likely_to_be_attacked_is_refused_from_the_threshold_on(threshold: float, outcome: Outcome) -> None:
    found = case(advisories=AdvisoryReport(BASIS, (replace(MILD, forecast=LIKELY),)))
    verdict = judge(found, policy(deny={"findings": {"epss": threshold}}), NOW)
    assert verdict.outcome is outcome
    assert all("attacks within 30 days 72% probable (EPSS)" in one.sentence for one in verdict.violations)


def test_a_forecast_counts_only_what_can_be_mended_where_policy_says_so() -> None:
    found = case(advisories=AdvisoryReport(BASIS, (replace(UNFIXED, forecast=LIKELY),)))
    assert judge(found, policy(deny={"findings": {"epss": 0.5}}), NOW).outcome is Outcome.ADMIT
    assert judge(found, policy(deny={"findings": {"epss": 0.5, "fixable": False}}), NOW).outcome is Outcome.REJECT


def test_a_waiver_covers_what_is_exploited_too() -> None:
    found = case(advisories=AdvisoryReport(BASIS, (replace(MILD, exploited=KNOWN),)))
    waiver = {"repositories": ["**"], "findings": ["CVE-2026-84782"], "reason": "x", "author": "ada",
              "expires": "2026-12-01T00:00:00Z"}  # fmt: skip
    verdict = judge(found, policy(deny={"findings": {"known_exploited": True}}, waivers=[waiver]), NOW)
    assert verdict.outcome is Outcome.ADMIT


@pytest.mark.parametrize(
    ("rule", "name"),
    [
        ({"known_exploited": True}, "catalogue of exploited vulnerabilities (KEV)"),
        ({"epss": 0.5}, "forecasts of attacks (EPSS)"),
    ],
)
def test_t80_data_that_a_rule_rests_on_must_be_there_and_fresh(rule: dict[str, Any], name: str) -> None:
    def judged(basis: AdvisoryBasis, **require: Any) -> Verdict:
        return judge(case(advisories=AdvisoryReport(basis)), policy(deny={"findings": rule}, require=require), NOW)

    old = NOW - timedelta(hours=73)
    asked: dict[str, Any] = {"advisories": {"max_age": "72h"}}
    assert (judged(FRESH, **asked).outcome, told(judged(FRESH, **asked))) == (
        Outcome.QUARANTINE,
        [("require.advisories", name)],
    )
    assert judged(replace(BASIS, exploited_at=old, forecasts_at=old), **asked).outcome is Outcome.QUARANTINE
    assert told(judged(BASIS, **asked)) == []
    assert judged(BASIS, **asked).valid_until == NOW + timedelta(hours=71)
    assert (judged(FRESH).outcome, told(judged(FRESH))) == (Outcome.ADMIT, [("require.advisories", name)])
    assert told(judged(AdvisoryBasis(), **asked)) == [("require.advisories", "advisory data")]


BOOKWORM = Release(("12", "bookworm"), End(date(2026, 7, 11)), End(date(2028, 6, 30)), End(date(2033, 6, 30)))


@pytest.mark.parametrize(
    ("rule", "at", "outcome"),
    [
        ({"support": "standard"}, datetime(2026, 7, 11, 23, 59, tzinfo=UTC), Outcome.ADMIT),
        ({"support": "standard"}, datetime(2026, 7, 12, tzinfo=UTC), Outcome.REJECT),
        ({}, datetime(2028, 6, 30, tzinfo=UTC), Outcome.ADMIT),
        ({}, datetime(2028, 7, 1, tzinfo=UTC), Outcome.REJECT),
        ({"support": "extended", "effect": "quarantine"}, datetime(2033, 7, 1, tzinfo=UTC), Outcome.QUARANTINE),
    ],
)
def test_h12_an_ended_distribution_is_refused_from_the_day_after(
    rule: dict[str, Any], at: datetime, outcome: Outcome
) -> None:
    found = case(advisories=AdvisoryReport(FRESH, release=BOOKWORM))
    assert judge(found, policy(deny={"end_of_life": rule}), at).outcome is outcome


def test_h12_the_refusal_says_which_distribution_and_since_when() -> None:
    found = case(advisories=AdvisoryReport(FRESH, release=BOOKWORM))
    (refused,) = judge(found, policy(deny={"end_of_life": {"support": "standard"}}), NOW).violations
    assert refused.check == "H12"
    assert refused.sentence.startswith("debian 12: its standard support ended on 2026-07-11: new vulnerabilities in it")


def test_the_end_is_when_the_verdict_is_made_again() -> None:
    found = case(advisories=AdvisoryReport(FRESH, release=BOOKWORM))
    assert judge(found, policy(deny={"end_of_life": {}}), NOW).valid_until == datetime(2028, 7, 1, tzinfo=UTC)
    assert judge(found, policy(), NOW).valid_until is None


def test_a_release_that_has_no_end_has_not_ended_and_one_that_is_not_known_is_a_warning() -> None:
    rule = policy(deny={"end_of_life": {}})
    assert told(judge(case(advisories=AdvisoryReport(FRESH, release=Release(("14",)))), rule, NOW)) == []
    unknown = judge(case(), rule, NOW)
    assert (unknown.outcome, told(unknown)) == (Outcome.ADMIT, [("deny.end_of_life", "debian 12")])


def test_what_holds_no_distribution_has_no_end() -> None:
    assert (
        told(judge(case(facts(distribution=None, packages=(), executables=0)), policy(deny={"end_of_life": {}}), NOW))
        == []
    )
