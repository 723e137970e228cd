"""The shipped policies."""

from datetime import timedelta

import pytest

from config.defaults import Profile, profile_text
from config.policy_file import load_policy
from config.vocabulary import Effect, Severity, Support, ToolKind

SSH = frozenset({ToolKind.SSH_CLIENT, ToolKind.SSH_SERVER})
NEVER = frozenset({ToolKind.MINER, ToolKind.PACKED})


@pytest.mark.parametrize(
    ("profile", "tools"),
    [
        (Profile.EVALUATION, SSH | NEVER),  # stock Alpine, which holds busybox's nc, can be tried out
        (Profile.PRODUCTION, SSH | NEVER | {ToolKind.NETCAT, ToolKind.TELNET, ToolKind.TUNNEL}),
    ],
)
def test_every_profile_is_valid_covers_every_repository_and_refuses_known_dangers(
    profile: Profile, tools: frozenset[ToolKind]
) -> None:
    policy = load_policy(profile_text(profile), f"{profile}.yaml")
    rule = policy.rule_for("any/repository/at/all")
    assert policy.name == profile
    assert rule is not None
    assert rule.deny.tools is not None
    assert (rule.deny.tools.kinds, rule.deny.tools.effect) == (tools, Effect.REJECT)
    assert rule.deny.secrets is not None
    assert rule.deny.secrets.effect is Effect.REJECT
    assert rule.deny.malicious.effect is Effect.REJECT
    findings = rule.deny.findings
    assert findings is not None
    assert (findings.severity, findings.fixable, findings.effect) == (Severity.HIGH, True, Effect.REJECT)


def effects(profile: Profile) -> dict[str, Effect]:
    rule = load_policy(profile_text(profile), profile).rules[0]
    checks = {"root_user": rule.deny.root_user, **dict(rule.require)}
    return {name: check.effect for name, check in checks.items() if check}


def test_evaluation_warns_of_what_is_not_set_up_yet() -> None:
    assert effects(Profile.EVALUATION) == {
        "root_user": Effect.WARN,
        "signatures": Effect.WARN,
        "advisories": Effect.WARN,
    }


def test_production_admits_nothing_before_signers_and_packages_are_named() -> None:
    assert effects(Profile.PRODUCTION) == {
        "root_user": Effect.WARN,
        "signatures": Effect.QUARANTINE,
        "vetted_packages": Effect.REJECT,
        "advisories": Effect.QUARANTINE,
        "base": Effect.WARN,
    }
    policy = load_policy(profile_text(Profile.PRODUCTION), "production")
    deny, require = policy.rules[0].deny, policy.rules[0].require
    assert deny.findings is not None
    assert deny.findings.known_exploited
    assert deny.end_of_life is not None
    assert (deny.end_of_life.support, deny.end_of_life.effect) == (Support.LONG_TERM, Effect.REJECT)
    assert not policy.signers
    assert require.signatures is not None
    assert require.signatures.of == ()
    assert require.vetted_packages is not None
    assert require.vetted_packages.purls == ()
    assert require.advisories is not None
    assert require.advisories.max_age == timedelta(hours=72)


@pytest.mark.parametrize("profile", Profile)
def test_the_examples_in_the_comments_are_valid_too(profile: Profile) -> None:
    text = profile_text(profile)
    example = text[text.index("#  - repositories: [team/app]") :].replace("#  ", "  ")
    policy = load_policy(text[: text.index("waivers: []")] + "waivers:\n" + example, profile)
    assert policy.waivers[0].findings == ("CVE-2026-1234",)
