"""Signers in the text of a policy: added, counted in rules and taken out, and the text stays otherwise."""

import difflib
import json
from datetime import UTC, datetime, timedelta

import pytest

from config.defaults import Profile, profile_text
from config.errors import ConfigurationError
from config.patterns import RepositoryPattern
from config.policy import Signer
from config.policy_file import load_policy
from config.policy_signers import (
    SignerChangeError,
    UnknownSignerError,
    counting,
    counting_nobody,
    with_signer,
    without_signer,
)
from tests.scanning.signatures.signing import new_key, pem

RELEASE, SECURITY = (Signer(key=pem(new_key())) for _ in range(2))
EVERYWHERE = (RepositoryPattern("**"),)


def indented(key: str, by: int) -> str:
    return "".join(f"{' ' * by}{line}\n" for line in key.splitlines())


POLICY = f"""\
# ours
version: 1
signers:
  # the team that releases
  release:
    key: |
{indented(RELEASE.key, 6)}
rules:
  - repositories: ["**"]
    require: {{signatures: {{of: [release]}}}}  # whoever
  - repositories: [team/**, other/**]
    require:
      signatures:
        effect: reject
  - repositories: [free/**]
"""


def changes(before: str, after: str) -> list[str]:
    """The lines that came and went."""
    lines = list(difflib.ndiff(before.splitlines(), after.splitlines()))
    return [line for line in lines if line[:2] in ("+ ", "- ")]


@pytest.mark.parametrize("profile", Profile)
def test_a_shipped_policy_keeps_its_comments(profile: Profile) -> None:
    before = profile_text(profile)
    end = datetime(2027, 12, 31, tzinfo=UTC)
    after = with_signer(before, "p", "release", RELEASE.model_copy(update={"not_after": end}), EVERYWHERE)
    policy = load_policy(after, "p")
    assert policy.signers["release"].not_after == end
    assert counting(policy, "release") == EVERYWHERE
    came = [line for line in changes(before, after) if line.startswith("+ ")]
    went = [line for line in changes(before, after) if line.startswith("- ")]
    assert len(went) == 2, went  # signers: {} and of: []
    assert len(came) == len(RELEASE.key.splitlines()) + 5
    without = without_signer(after, "p", "release")
    assert without == before


def test_a_second_one_stands_below_the_first_and_counts_in_the_rules_that_are_named() -> None:
    after = with_signer(POLICY, "p", "security", SECURITY, (RepositoryPattern("team/**"), *EVERYWHERE))
    assert changes(POLICY, after) == [
        "+   security:",
        "+     key: |",
        *(f"+ {line}" for line in indented(SECURITY.key, 6).splitlines()),
        "-     require: {signatures: {of: [release]}}  # whoever",
        "+     require: {signatures: {of: [release, security]}}  # whoever",
        "+         of:",
        "+         - security",
    ]
    policy = load_policy(after, "p")
    assert list(map(str, counting(policy, "security"))) == ["**", "team/**", "other/**"]
    assert list(map(str, counting(policy, "release"))) == ["**"]


def test_one_that_is_known_counts_in_more_rules_without_its_key() -> None:
    after = with_signer(POLICY, "p", "release", None, (RepositoryPattern("team/**"),))
    assert changes(POLICY, after) == ["+         of:", "+         - release"]
    assert with_signer(after, "p", "release", RELEASE, (RepositoryPattern("other/**"),)) == after


@pytest.mark.parametrize(
    ("name", "signer", "pattern", "said"),
    [
        ("release", SECURITY, "**", "has a signer release with another key or end"),
        ("new", None, "**", "its public key is needed"),
        ("a b", SECURITY, "**", "cannot name a signer"),
        ("x\n  y: z", SECURITY, "**", "cannot name a signer"),
        ("", SECURITY, "**", "cannot name a signer"),
        ("new", SECURITY, "free/**", "asks for no signatures, so none would count"),
        ("new", SECURITY, "team/app", "no rule of the policy is for team/app"),
    ],
)
def test_what_cannot_be_added_is_refused_and_why(name: str, signer: Signer | None, pattern: str, said: str) -> None:
    with pytest.raises(SignerChangeError, match=said):
        with_signer(POLICY, "p", name, signer, (RepositoryPattern(pattern),))


def test_one_that_is_needed_for_a_threshold_is_not_taken_out() -> None:
    both = with_signer(POLICY, "p", "security", SECURITY, EVERYWHERE).replace("security]}", "security], threshold: 2}")
    with pytest.raises(SignerChangeError, match=r"would not hold any more: .*2 signers are needed and 1 named"):
        without_signer(both, "p", "release")


def test_one_is_taken_out_of_every_rule_however_often_it_is_named() -> None:
    often = POLICY.replace("of: [release]", "of: [release, release]").replace(
        "effect: reject", "of:\n        - release"
    )
    assert counting(load_policy(without_signer(often, "p", "release"), "p"), "release") == ()


def test_one_that_is_not_there_is_not_taken_out() -> None:
    with pytest.raises(UnknownSignerError, match="has no signer 'other'; there are: release"):
        without_signer(POLICY, "p", "other")


def test_a_broken_policy_is_not_changed() -> None:
    with pytest.raises(ConfigurationError):
        with_signer(POLICY.replace("version: 1", "version: 2"), "p", "new", SECURITY, EVERYWHERE)


def test_a_layout_in_which_it_cannot_be_changed_alone_is_refused() -> None:
    rules = '[{"repositories": ["**"], "require": {"signatures": {}}}]'
    strange = f"version: 1\nsigners:\n  ? release\n  : key: {json.dumps(RELEASE.key)}\nrules: {rules}\n"
    assert load_policy(strange, "p").signers["release"] == RELEASE
    with pytest.raises(SignerChangeError, match="in a way in which this cannot be changed alone"):
        with_signer(strange, "p", "new", SECURITY, EVERYWHERE)


A, B = json.dumps(RELEASE.key), json.dumps(SECURITY.key)
RULES = 'rules: [{repositories: ["**"], require: {signatures: {of: [a]}}}]'


@pytest.mark.parametrize(
    "strange",
    [
        f"version: 1\nsigners: {{a: {{key: {A}}},}}\n{RULES}\n",  # a comma before the end
        f"? signers\n: a: {{key: {A}}}\n  b: {{key: {B}}}\nversion: 1\n{RULES}\n",
    ],
)
def test_a_text_that_one_edit_breaks_for_the_next_one_is_refused_as_well(strange: str) -> None:
    assert load_policy(strange, "p").signers["a"] == RELEASE
    with pytest.raises(SignerChangeError, match="in a way in which this cannot be changed alone"):
        without_signer(strange, "p", "a")


def test_rules_whose_signers_are_gone_or_have_ended_count_nobody() -> None:
    end = datetime(2027, 12, 31, tzinfo=UTC)
    text = with_signer(POLICY, "p", "security", SECURITY.model_copy(update={"not_after": end}), EVERYWHERE)
    both, one = load_policy(text, "p"), load_policy(without_signer(text, "p", "release"), "p")
    team, free = RepositoryPattern("team/**"), RepositoryPattern("free/**")
    assert counting_nobody(both, (*EVERYWHERE, team, free), end) == (team,)
    assert counting_nobody(one, EVERYWHERE, end - timedelta(seconds=1)) == ()
    assert counting_nobody(one, EVERYWHERE, end) == EVERYWHERE
