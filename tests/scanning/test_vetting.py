"""Which packages count as vetted, denied, or too young, as pure values."""

from dataclasses import replace
from datetime import timedelta

from config.vocabulary import Effect
from scanning.judge import judge
from scanning.sightings import Sighting, Sightings
from scanning.verdict import Outcome
from tests.scanning.test_judge import NOW, OPENSSL, case, facts, policy, rules_broken

REQUESTS = replace(OPENSSL, type="pypi", name="requests", version="2.30.0", purl="pkg:pypi/requests@2.30.0")


def test_a_vetted_range_of_versions_covers_those_and_no_others() -> None:
    image = facts(packages=(REQUESTS,))
    for vetted, outcome in (("<2.31", Outcome.ADMIT), (">=2.31", Outcome.REJECT), (">=2.4|<3", Outcome.ADMIT)):
        strict = policy(require={"vetted_packages": {"purls": [f"pkg:pypi/requests@{vetted}"]}})
        assert judge(case(image), strict, NOW).outcome is outcome


def test_a_denied_range_covers_what_cannot_be_compared_with_it_and_says_so() -> None:
    strict = policy(deny={"packages": {"purls": ["pkg:pypi/requests@<2.31"]}})
    refused = judge(case(facts(packages=(REQUESTS,))), strict, NOW)
    assert refused.violations[0].why == "the policy denies pkg:pypi/requests@<2.31"
    odd = replace(REQUESTS, version="2.x", purl="pkg:pypi/requests@2.x")
    doubtful = judge(case(facts(packages=(odd,))), strict, NOW)
    assert rules_broken(doubtful) == ["deny.packages"]
    assert doubtful.violations[0].why.endswith("and this version cannot be compared with that")
    newer = replace(REQUESTS, version="2.32.0", purl="pkg:pypi/requests@2.32.0")
    assert judge(case(facts(packages=(newer,))), strict, NOW).outcome is Outcome.ADMIT


def test_a_waiver_for_a_range_does_not_cover_what_cannot_be_compared() -> None:
    waiver = {
        "repositories": ["**"],
        "packages": ["pkg:pypi/requests@<2.31"],
        "reason": "tested",
        "author": "alice",
        "expires": "2027-01-01T00:00:00Z",
    }
    strict = policy(waivers=[waiver], deny={"packages": {"purls": ["pkg:pypi/**"]}})
    odd = replace(REQUESTS, version="2.x", purl="pkg:pypi/requests@2.x")
    assert judge(case(facts(packages=(REQUESTS,))), strict, NOW).outcome is Outcome.ADMIT
    assert judge(case(facts(packages=(odd,))), strict, NOW).outcome is Outcome.REJECT


WAITS = policy(require={"minimum_age": {"age": "7d", "purls": ["pkg:pypi/**"]}})


def test_a_young_package_is_told_until_when_it_waits_and_the_verdict_holds_until_then() -> None:
    first_seen = NOW - timedelta(days=2)
    seen = Sightings((Sighting("pkg:pypi/requests@2.30.0", first_seen),))
    verdict = judge(case(facts(packages=(REQUESTS,)), sightings=seen), WAITS, NOW)
    assert (verdict.outcome, verdict.valid_until) == (Outcome.QUARANTINE, first_seen + timedelta(days=7))
    assert verdict.violations[0].sentence == (
        "requests 2.30.0 in var/lib/dpkg/status: it was first seen here on 2026-11-22 12:00 UTC, and a version must"
        " have been known for 7d [require.minimum_age]; wait until 2026-11-29 12:00 UTC, use an older version, or ask"
        " an admin to vet this one: imagegate image vet IMAGE"
    )
    then = judge(case(facts(packages=(REQUESTS,)), sightings=seen), WAITS, first_seen + timedelta(days=7))
    assert then.outcome is Outcome.ADMIT


def test_without_the_records_of_a_gate_it_is_said_that_nothing_is_known_of_ages() -> None:
    verdict = judge(case(facts(packages=(REQUESTS, OPENSSL)), sightings=None), WAITS, NOW)
    assert [(one.rule, one.effect, one.subject) for one in verdict.warnings] == [
        ("require.minimum_age", Effect.WARN, "1 package")
    ]


def test_a_version_whose_place_in_a_range_is_in_doubt_waits() -> None:
    ranged = policy(require={"minimum_age": {"age": "7d", "purls": ["pkg:pypi/**@>=2"], "exempt": ["pkg:pypi/**@<9"]}})
    odd = replace(REQUESTS, version="2.x", purl="pkg:pypi/requests@2.x")
    seen = Sightings((Sighting("pkg:pypi/requests@2.x", NOW), Sighting("pkg:pypi/requests@2.30.0", NOW)))
    assert judge(case(facts(packages=(odd,)), sightings=seen), ranged, NOW).outcome is Outcome.QUARANTINE
    assert judge(case(facts(packages=(REQUESTS,)), sightings=seen), ranged, NOW).outcome is Outcome.ADMIT
