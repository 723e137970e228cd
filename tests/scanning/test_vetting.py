"""Which packages count as vetted, denied, or too young, as pure values."""

from dataclasses import replace

from scanning.judge import judge
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
