"""Policy documents."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from textwrap import dedent

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa, x25519
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from config.errors import ConfigurationError
from config.policy import Policy
from config.policy_file import load_policy, load_policy_file, policy_schema
from config.vocabulary import Effect, Mode, Severity, ToolKind


def load(text: str) -> Policy:
    return load_policy(dedent(text), "p.yaml")


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load(text)
    return str(caught.value).splitlines()


def pem(key: PublicKeyTypes) -> str:
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def with_signer(key: str) -> str:
    indented = "".join(f"      {line}\n" for line in key.splitlines())
    return f"version: 1\nsigners:\n  alice:\n    key: |\n{indented}rules: [{{repositories: ['**']}}]\n"


def test_the_least_policy_checks_only_that_content_can_be_read_and_is_not_malicious() -> None:
    policy = load("{version: 1, rules: [{repositories: ['**']}]}")
    rule = policy.rules[0]
    assert (policy.name, rule.mode, rule.artifacts, rule.foreign_layers) == ("custom", Mode.ENFORCE, True, False)
    assert rule.redirect_blobs
    assert rule.deny.malicious.effect is Effect.REJECT
    assert [name for name, check in (*rule.deny, *rule.require) if check is not None] == ["malware", "malicious"]


def test_the_check_for_malicious_packages_cannot_be_left_out() -> None:
    document = "{{version: 1, rules: [{{repositories: ['**'], deny: {{malicious: {}}}}}]}}"
    assert load(document.format("{effect: warn}")).rules[0].deny.malicious.effect is Effect.WARN
    assert "there is no value here" in problems(document.format("null"))[0]


def test_a_check_that_is_named_with_nothing_has_its_defaults() -> None:
    rule = load(
        """
        version: 1
        rules:
          - repositories: ["**"]
            deny: {findings: {}, secrets: {}, root_user: {}, tools: {kinds: [ssh-client]}}
            require: {signatures: {}, advisories: {}}
        """
    ).rules[0]
    assert rule.deny.findings is not None
    assert (rule.deny.findings.severity, rule.deny.findings.fixable) == (Severity.HIGH, True)
    assert rule.deny.secrets is not None
    assert rule.deny.secrets.effect is Effect.REJECT
    assert rule.deny.tools is not None
    assert rule.deny.tools.kinds == {ToolKind.SSH_CLIENT}
    assert rule.require.signatures is not None
    assert (rule.require.signatures.of, rule.require.signatures.effect) == ((), Effect.QUARANTINE)
    assert rule.require.advisories is not None
    assert rule.require.advisories.max_age == timedelta(hours=72)


def test_every_mistake_is_told_at_once_with_line_and_column() -> None:
    assert problems(
        """\
        version: 2
        signers:
          bob: {key: abc}
        rules:
          - repositories: ["A", 3]
            modes: audit
            deny:
              tools: {kinds: [sshd]}
              root-user: {}
            require:
              advisories: {max_age: 72}
              vetted_packages: {purls: [openssl]}
        """
    ) == [
        "p.yaml:1:1: version: the value should be 1",
        "p.yaml:3:9: signers.bob.key: this is not a public key in PEM form; paste the whole content of cosign.pub",
        (
            "p.yaml:5:20: rules[0].repositories[0]: the repository pattern 'A' can never match: 'A' is no part of a"
            " repository name (lower-case letters and digits, . _ or - between them; * and ** are wildcards)"
        ),
        "p.yaml:5:25: rules[0].repositories[1]: a pattern is a string, not int; put it in quotes",
        "p.yaml:6:5: rules[0].modes: this key is not known; did you mean mode?",
        (
            "p.yaml:8:23: rules[0].deny.tools.kinds[0]: the value should be 'ssh-client', 'ssh-server', 'netcat',"
            " 'telnet', 'network-scanner', 'debugger', 'privilege', 'package-manager', 'compiler', 'tunnel',"
            " 'crypto-miner', 'downloader', 'shell', 'packed-program' or 'ssh-library'"
        ),
        "p.yaml:9:7: rules[0].deny.root-user: this key is not known; did you mean root_user?",
        (
            "p.yaml:11:20: rules[0].require.advisories.max_age: write a length of time as a number with its unit:"
            " 90s, 15m, 72h or 30d"
        ),
        (
            "p.yaml:12:33: rules[0].require.vetted_packages.purls[0]: 'openssl' is not a purl pattern: write"
            " pkg:TYPE/NAMESPACE/NAME@VERSION, for example pkg:deb/debian/openssl@3.* or pkg:npm/**; the type is"
            " in lower case and has no wildcard"
        ),
    ]


def test_what_is_wrong_only_together_has_its_place_too() -> None:
    assert problems(
        """\
        version: 1
        rules:
          - repositories: ["a/*b", "c"]
            require:
              signatures: {of: [alice], threshold: 2}
          - repositories: ["a/b*", "c"]
        """
    ) == [
        (
            "p.yaml:5:20: rules[0].require.signatures.of: 'alice' is not among signers; add its key there or correct"
            " the name"
        ),
        "p.yaml:5:33: rules[0].require.signatures.threshold: 2 signers are needed and 1 named; nobody can satisfy it",
        (
            "p.yaml:6:20: rules[1].repositories[0]: a/b* ties with a/*b: equally specific, and a repository can match"
            " both; narrow one of them"
        ),
        (
            "p.yaml:6:28: rules[1].repositories[1]: c ties with c: equally specific, and a repository can match"
            " both; narrow one of them"
        ),
    ]


def test_a_check_with_nothing_after_it_is_no_silent_permission() -> None:
    (problem,) = problems("version: 1\nrules:\n  - repositories: ['**']\n    deny:\n      secrets:\n")
    assert problem == "p.yaml:5:15: there is no value here; write {} for the defaults, or leave the key out"


def test_there_is_no_policy_without_rules() -> None:
    assert problems("") == ["p.yaml: version: this key is required", "p.yaml: rules: this key is required"]
    assert problems("{version: 1, rules: []}") == [
        "p.yaml:1:14: rules: Tuple should have at least 1 item after validation, not 0"
    ]


def test_keys_are_read_when_the_policy_is() -> None:
    good = ec.generate_private_key(ec.SECP256R1()).public_key()
    assert load_policy(with_signer(pem(good)), "p.yaml").signers["alice"].key == pem(good)
    small = rsa.generate_private_key(65537, 1024).public_key()  # noqa: S505  # refused for being small
    for bad in (x25519.X25519PrivateKey.generate().public_key(), small):
        with pytest.raises(ConfigurationError, match=r"signers\.alice\.key: the key must be ECDSA on P-256"):
            load_policy(with_signer(pem(bad)), "p.yaml")


def test_the_most_specific_rule_judges_and_no_rule_is_none() -> None:
    policy = load(
        """
        version: 1
        rules:
          - {repositories: ["team/**"], mode: audit}
          - {repositories: ["team/app", "other/*"]}
        """
    )
    assert policy.rule_for("team/app") is policy.rules[1]
    assert policy.rule_for("team/web") is policy.rules[0]
    assert str(policy.pattern_for("other/x")) == "other/*"
    assert policy.rule_for("elsewhere") is None


def test_bills_of_materials_are_attached_only_where_artifacts_of_that_kind_are_taken() -> None:
    document = "{{version: 1, rules: [{{repositories: ['**'], artifacts: {}, sbom: {{attach: [spdx]}}}}]}}"
    for taken in ("true", "[sbom, helm-chart]"):
        assert load(document.format(taken)).rules[0].sbom.attach == ("spdx",)
    for refused in ("false", "[]", "[helm-chart]"):
        (problem,) = problems(document.format(refused))
        assert "rules[0].sbom.attach: this rule does not allow artifacts of the kind sbom" in problem


def test_t86_a_waiver_names_what_who_why_and_until_when() -> None:
    waiver = "repositories: [team/app], reason: unreachable, author: alice, expires: 2027-01-31T00:00:00Z"
    document = "{{version: 1, rules: [{{repositories: ['**']}}], waivers: [{{{}}}]}}"
    policy = load(document.format(f"{waiver}, findings: [CVE-2026-1], digest: 'sha256:{'0' * 64}'"))
    before, after = datetime(2027, 1, 30, tzinfo=UTC), datetime(2027, 1, 31, tzinfo=UTC)
    digest = f"sha256:{'0' * 64}"
    assert policy.waivers_for("team/app", digest, before) == policy.waivers
    assert policy.waivers_for("team/app", digest, after) == ()
    assert policy.waivers_for("team/app2", digest, before) == ()
    assert policy.waivers_for("team/app", f"sha256:{'1' * 64}", before) == ()
    assert "a waiver names what it covers" in problems(document.format(waiver))[0]
    assert len(problems(document.format("repositories: [a], findings: [X]"))) == 3
    assert "should match pattern" in problems(document.format(f"{waiver}, findings: [X], digest: latest"))[0]
    assert "timezone" in problems(document.format(waiver.replace("00:00:00Z", "00:00:00") + ", findings: [X]"))[0]


def test_the_canonical_text_reads_back_and_is_the_same_in_every_process(tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    file.write_text(
        "{version: 1, rules: [{repositories: ['**'], deny: {tools: {kinds: [netcat, ssh-client, debugger, telnet]}}}]}"
    )
    policy = load_policy_file(file)
    text = policy.model_dump_json()
    assert Policy.model_validate_json(text) == policy
    program = (
        "import sys; from pathlib import Path; from config.policy_file import load_policy_file;"
        " print(load_policy_file(Path(sys.argv[1])).model_dump_json())"
    )
    for seed in ("1", "2", "3"):
        run = subprocess.run(
            [sys.executable, "-c", program, str(file)],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert run.stdout.strip() == text


def test_the_schema_describes_every_key() -> None:
    schema = policy_schema()
    definitions = schema["$defs"]
    assert isinstance(definitions, dict)
    assert schema["additionalProperties"] is False
    assert schema["required"] == ["version", "rules"]
    for model in definitions.values():
        assert model.get("description")


def test_tags_are_free_unless_the_policy_says_otherwise() -> None:
    rule = load("{version: 1, rules: [{repositories: ['**']}]}").rules[0]
    assert not rule.tags.is_immutable("latest")
    assert rule.tags.serve == "newest"


def test_a_tag_is_immutable_if_one_pattern_covers_it() -> None:
    rule = load("{version: 1, rules: [{repositories: ['**'], tags: {immutable: ['v*', '*-final']}}]}").rules[0]
    assert [rule.tags.is_immutable(tag) for tag in ("v1", "x-final", "latest")] == [True, True, False]


def test_a_tag_pattern_that_can_never_match_is_a_mistake_with_its_line() -> None:
    (problem,) = problems("version: 1\nrules:\n- repositories: ['**']\n  tags:\n    immutable: [v*, 'a/b']\n")
    assert problem.startswith("p.yaml:5:")
    assert "the tag pattern 'a/b' can never match" in problem
