"""Licences that a policy allows or denies, as pure values."""

from dataclasses import replace
from typing import Any

import pytest

from config.errors import ConfigurationError, InvalidPatternError
from config.licences import LicenceName
from config.policy_file import load_policy
from scanning.judge import judge
from scanning.licences import names
from scanning.verdict import Outcome
from tests.scanning.test_judge import NOW, OPENSSL, case, facts, policy


def outcome(rule: dict[str, Any], *licences: str) -> Outcome:
    """What becomes of an image with one package of these licences."""
    image = facts(packages=(replace(OPENSSL, licences=licences),))
    return judge(case(image), policy(**rule), NOW).outcome


@pytest.mark.parametrize(
    ("allowed", "licences", "expected"),
    [
        (["MIT"], ["MIT"], Outcome.ADMIT),
        (["mit"], ["Expat"], Outcome.ADMIT),
        (["MIT"], ["MIT License"], Outcome.ADMIT),
        (["MIT"], ["GPL-3.0-only OR MIT"], Outcome.ADMIT),
        (["MIT"], ["GPL-3.0-only AND MIT"], Outcome.REJECT),
        (["MIT"], ["(MIT OR ISC) AND (GPL-3.0-only OR MIT)"], Outcome.ADMIT),
        (["MIT"], ["MIT/Apache-2.0"], Outcome.ADMIT),
        (["MIT"], ["MIT", "GPL-3.0-only"], Outcome.REJECT),
        (["GPL-3.0-only"], ["GPL-2.0-or-later"], Outcome.ADMIT),
        (["GPL-3.0-only"], ["GPL-2.0-only"], Outcome.REJECT),
        (["GPL-2.0-or-later"], ["GPL-3.0"], Outcome.ADMIT),
        (["GPL-2.0-or-later"], ["GPLv2+ and ASL 2.0"], Outcome.REJECT),
        (["GPL-2.0-or-later", "Apache-2.0"], ["GPLv2+ and ASL 2.0"], Outcome.ADMIT),
        (["GPL-2.0-only"], ["GPL-2.0-only WITH Classpath-exception-2.0"], Outcome.ADMIT),
        (["GPL-2.0-only WITH Classpath-exception-2.0"], ["GPL-2.0-only"], Outcome.REJECT),
        (["GPL-2.0-only WITH Classpath-exception-2.0"], ["GPL-2.0 with classpath-exception-2.0"], Outcome.ADMIT),
        (["BSD-*"], ["BSD-3-Clause"], Outcome.ADMIT),
        (["BSD-*"], ["BSD"], Outcome.REJECT),
        (["LicenseRef-public-domain"], ["public-domain"], Outcome.ADMIT),
        (["MIT"], ["public-domain"], Outcome.REJECT),
        (["MIT"], ["(MIT"], Outcome.REJECT),
        (["MIT"], ["()MIT"], Outcome.REJECT),
        (["MIT"], ["( OR MIT"], Outcome.REJECT),
        (["MIT"], ["(" * 900 + "GPL-3.0-only" + ")" * 900], Outcome.REJECT),
        (["MIT"], ["MIT"] * 40, Outcome.REJECT),
        (["MIT"], [], Outcome.REJECT),
    ],
)
def test_a_package_is_admitted_if_allowed_licences_will_do(
    allowed: list[str], licences: list[str], expected: Outcome
) -> None:
    assert outcome({"require": {"licences": {"allowed": allowed}}}, *licences) is expected


@pytest.mark.parametrize(
    ("denied", "licences", "expected"),
    [
        (["AGPL-*"], ["AGPL-3.0-or-later"], Outcome.REJECT),
        (["AGPL-*"], ["MIT OR AGPL-3.0-only"], Outcome.ADMIT),
        (["AGPL-*"], ["MIT AND AGPL-3.0-only"], Outcome.REJECT),
        (["GPL-3.0-only"], ["GPL-2.0-or-later"], Outcome.ADMIT),
        (["GPL-3.0-only"], ["GPL-3.0-or-later"], Outcome.REJECT),
        (["GPL-2.0-or-later"], ["GPL-2.0-or-later"], Outcome.REJECT),
        (["GPL-2.0-only"], ["GPL-2.0-only WITH Classpath-exception-2.0"], Outcome.REJECT),
        (["GPL-2.0-only WITH Classpath-exception-2.0"], ["GPL-2.0-only"], Outcome.ADMIT),
        (["LicenseRef-Proprietary"], ["Proprietary"], Outcome.REJECT),
        (["AGPL-*"], ["something of our own"], Outcome.ADMIT),
        (["AGPL-*"], [], Outcome.ADMIT),
    ],
)
def test_a_package_is_refused_if_it_needs_a_denied_licence(
    denied: list[str], licences: list[str], expected: Outcome
) -> None:
    assert outcome({"deny": {"licences": {"names": denied}}}, *licences) is expected


@pytest.mark.parametrize("licences", [[], ["something of our own"]])
def test_what_is_not_known_is_the_choice_of_the_policy(licences: list[str]) -> None:
    for unknown, expected in (("allow", Outcome.ADMIT), ("deny", Outcome.REJECT)):
        assert outcome({"require": {"licences": {"allowed": ["MIT"], "unknown": unknown}}}, *licences) is expected
        assert outcome({"deny": {"licences": {"names": ["AGPL-*"], "unknown": unknown}}}, *licences) is expected


def test_the_reason_names_the_package_and_its_licences_as_the_policy_would() -> None:
    image = facts(packages=(replace(OPENSSL, licences=("GPLv3+ or Foo",)),))
    (refused,) = judge(case(image), policy(require={"licences": {"allowed": ["MIT"]}}), NOW).violations
    assert refused.sentence == (
        "libssl3 3.0.20-1~deb12u2 in var/lib/dpkg/status: it cannot be used under allowed licences alone"
        " (GPL-3.0-only OR LicenseRef-Foo) [require.licences]; use another package than libssl3, or ask an admin to"
        " exempt it from require.licences"
    )
    assert names(("GPL-2.0-or-later WITH GCC-exception-3.1", "MIT")) == (
        "GPL-2.0-only or GPL-3.0-only WITH GCC-exception-3.1; MIT"
    )


def test_an_exempt_or_waived_package_may_have_any_licence() -> None:
    for rule in (
        {"require": {"licences": {"allowed": ["MIT"], "exempt": ["pkg:deb/debian/libssl*@<4"]}}},
        {"deny": {"licences": {"names": ["AGPL-*"], "exempt": ["pkg:deb/**"]}}},
    ):
        assert outcome(rule, "AGPL-3.0-only") is Outcome.ADMIT
    waiver = {
        "repositories": ["**"],
        "packages": ["pkg:deb/debian/libssl3"],
        "reason": "being replaced",
        "author": "alice",
        "expires": "2027-01-01T00:00:00Z",
    }
    verdict = judge(case(), policy(waivers=[waiver], require={"licences": {"allowed": ["MIT"]}}), NOW)
    assert (verdict.outcome, verdict.waived) == (Outcome.ADMIT, (OPENSSL.purl,))


@pytest.mark.parametrize("name", ["", "GPL2", "Nonsense-*", "MIT OR ISC", "MIT WITH", "MIT WITH nothing", "MIT " * 60])
def test_a_name_that_means_no_licence_is_refused(name: str) -> None:
    with pytest.raises(InvalidPatternError):
        LicenceName(name)


def test_a_licence_that_is_misspelt_is_told_with_its_line_and_what_was_likely_meant() -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_policy(
            "version: 1\nrules:\n  - repositories: ['**']\n    require:\n      licences:\n        allowed:\n"
            "          - MIT\n          - Apache2.0\n",
            "p.yaml",
        )
    assert "p.yaml:8:" in str(caught.value)
    assert "did you mean Apache-2.0?" in str(caught.value)
