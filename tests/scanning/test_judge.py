"""What the policy says, rule by rule, as pure values: no files, no network, no clock."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from config.policy import Policy
from config.vocabulary import Effect, Severity, ToolKind
from scanning.advisories.model import AdvisoryBasis, AdvisoryReport, Finding
from scanning.facts import (
    ChangedFile,
    Evidence,
    ImageFacts,
    LayerRefusal,
    OsRelease,
    Package,
    Secret,
    Tool,
    UnownedFile,
    Weakness,
)
from scanning.judge import judge
from scanning.oci import media_types
from scanning.oci.digest import Digest
from scanning.oci.manifest import Descriptor, Manifest, ManifestKind, Platform
from scanning.rules.case import Case
from scanning.signatures.model import SignatureFormat, SignatureReport, VerifiedSignature
from scanning.verdict import Outcome, Verdict, VerdictInputs

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
IMAGE = Digest.of(b"manifest")
INDEX = Digest.of(b"index")
SIGNATURE = Digest.of(b"signature")
OPENSSL = Package(
    type="deb",
    name="libssl3",
    version="3.0.20-1~deb12u2",
    source_name="openssl",
    source_version="3.0.20-1~deb12u2",
    path="var/lib/dpkg/status",
    purl="pkg:deb/debian/libssl3@3.0.20-1~deb12u2?arch=amd64&distro=debian-12",
)
SSH = Tool(ToolKind.SSH_CLIENT, "ssh", "usr/bin/ssh", Evidence.PACKAGE, "openssh-client 1:9.2p1-2+deb12u7")
KEY = """-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=
-----END PUBLIC KEY-----
"""
FINDING = Finding(
    advisory="DEBIAN-CVE-2026-84782",
    aliases=("CVE-2026-84782",),
    purl=OPENSSL.purl,
    package="openssl",
    version="3.0.20-1~deb12u2",
    severity=Severity.UNRATED,
    fixed_version="3.0.22-1~deb12u2",
)
FRESH = AdvisoryBasis(Digest.of(b"snapshot"), NOW - timedelta(hours=1), ("Debian",), 1)


def policy(signers: tuple[str, ...] = (), waivers: list[dict[str, Any]] | None = None, **rule: Any) -> Policy:
    """A policy of one rule for every repository."""
    return Policy.model_validate(
        {
            "version": 1,
            "signers": {name: {"key": KEY} for name in signers},
            "rules": [{"repositories": ["**"], **rule}],
            "waivers": waivers or [],
        }
    )


def facts(**changes: Any) -> ImageFacts:
    """An unremarkable image: one package, nothing else."""
    plain = ImageFacts(
        manifest=IMAGE,
        config=Digest.of(b"config"),
        platform=Platform("linux", "amd64"),
        layers=(),
        diff_ids=(),
        user="app",
        runs_as_root=False,
        distribution=OsRelease("debian", "12"),
        packages=(OPENSSL,),
        executables=3,
    )
    return replace(plain, **changes)


def case(image: ImageFacts | None = None, *, findings: tuple[Finding, ...] = (), **changes: Any) -> Case:
    """A case about one image, with fresh advisory data and no signatures."""
    manifest = Manifest(IMAGE, media_types.OCI_MANIFEST, 2, ManifestKind.IMAGE)
    plain = Case(
        repository="team/app",
        manifest=manifest,
        signatures=SignatureReport(NOW),
        inputs=VerdictInputs(IMAGE, media_types.OCI_MANIFEST, Digest.of(b"policy"), Digest.of(b"none")),
        facts=image or facts(),
        advisories=AdvisoryReport(FRESH, findings),
    )
    return replace(plain, **changes)


def signed(*signers: str, subject: Digest = IMAGE, same_key: bool = False) -> SignatureReport:
    """A report of one verified signature for each name, each by a key of its own unless said otherwise."""
    return SignatureReport(
        NOW,
        tuple(
            VerifiedSignature(
                signer, "key" if same_key else f"key-{signer}", SignatureFormat.SIGSTORE_BUNDLE, SIGNATURE, subject
            )
            for signer in signers
        ),
    )


def rules_broken(verdict: Verdict) -> list[str]:
    """The rules, in the order they are told."""
    return [violation.rule for violation in verdict.violations]


def test_an_image_that_breaks_no_rule_is_admitted() -> None:
    verdict = judge(case(), policy(deny={"tools": {"kinds": ["ssh-client"]}, "secrets": {}}), NOW)
    assert (verdict.outcome, verdict.violations, verdict.warnings) == (Outcome.ADMIT, (), ())


def test_a_repository_that_no_rule_covers_is_refused() -> None:
    narrow = Policy.model_validate({"version": 1, "rules": [{"repositories": ["other/*"]}]})
    verdict = judge(case(), narrow, NOW)
    assert (verdict.outcome, rules_broken(verdict)) == (Outcome.REJECT, ["rules"])


def test_what_cannot_be_inspected_is_refused_under_the_mildest_policy() -> None:
    verdict = judge(case(facts(problems=("layer sha256:00 ends early",))), policy(), NOW)
    assert verdict.outcome is Outcome.REJECT
    assert "layer sha256:00 ends early" in verdict.violations[0].why


def test_h26_a_layer_that_cannot_be_read_in_one_way_is_named_with_entry_offset_and_build_step() -> None:
    layer = Digest.of(b"layer")
    image = facts(
        layers=(Digest.of(b"base"), layer),
        created_by=("ADD rootfs.tar /", "COPY app /srv"),
        refusals=(LayerRefusal(layer, "the layer holds this path twice", "srv/app", 512),),
    )
    (refused,) = judge(case(image), policy(), NOW).violations
    assert (refused.rule, refused.check, refused.layer, refused.effect) == ("inspection", "H26", layer, Effect.REJECT)
    assert refused.sentence == (
        f"H26 ambiguous archive in 'srv/app' at byte 512 of layer {layer.short} (COPY app /srv): it cannot be"
        " inspected: the layer holds this path twice [inspection]; build it again so that every layer and archive has"
        " one unambiguous meaning"
    )


def test_what_is_found_names_its_check_its_layer_and_the_build_step() -> None:
    layer = Digest.of(b"layer")
    image = facts(
        layers=(layer,),
        created_by=("RUN apt-get install -y " + "x" * 100,),
        runs_as_root=True,
        packages=(replace(OPENSSL, layer=layer),),
        tools=(replace(SSH, layer=layer),),
        secrets=(Secret("private-key", "root/.ssh/id", layer=layer), Secret("aws-access-key", "env KEY")),
        weaknesses=(Weakness("H17", "usr/bin/ping", "it has cap_net_raw+ep", layer),),
    )
    strict = policy(
        deny={
            "tools": {"kinds": ["ssh-client"]},
            "secrets": {},
            "findings": {},
            "root_user": {},
            "hardening": {},
            "packages": {"purls": ["pkg:deb/**"]},
        },
        require={"signatures": {"of": []}},
    )
    verdict = judge(case(image, findings=(FINDING,)), strict, NOW)
    told = {(one.rule, one.check, one.layer) for one in (*verdict.violations, *verdict.warnings)}
    assert told == {
        ("deny.tools", "H04", layer),
        ("deny.secrets", "H20", layer),
        ("deny.secrets", "H19", None),
        ("deny.findings", "H10", layer),
        ("deny.root_user", "H01", None),
        ("deny.hardening", "H17", layer),
        ("deny.packages", "", layer),
        ("require.signatures", "H13", None),
    }
    assert f"in usr/bin/ssh of layer {layer.short} (RUN apt-get install -y xxx" in verdict.violations[0].sentence
    assert f"{'x' * 36}…): a tool" in verdict.violations[0].sentence


UNOWNED = tuple(UnownedFile(f"opt/app/{name}", "0" * 64, Digest.of(b"layer")) for name in ("a", "b", "c", "d"))


def test_h21_executables_that_no_package_owns_are_told_by_folder_unless_the_policy_expects_them() -> None:
    image = facts(unowned=(*UNOWNED, replace(UNOWNED[0], path="usr/bin/x")))
    found = judge(case(image), policy(deny={"hardening": {}}), NOW).warnings
    assert [(one.check, one.where) for one in found] == [("H21", "opt/app"), ("H21", "usr/bin/x")]
    assert "4 executables belong to no package (a, b, c and 1 more)" in found[0].why
    expected = policy(deny={"hardening": {"allow_unowned": ["opt/**"]}})
    assert [one.where for one in judge(case(image), expected, NOW).warnings] == ["usr/bin/x"]


def test_h22_changed_files_count_less_where_they_are_configuration() -> None:
    program = ChangedFile("usr/bin/app", "app 1", "0" * 64, Digest.of(b"layer"))
    image = facts(changed=(program, replace(program, path="etc/app.conf", is_configuration=True)))
    (found,) = judge(case(image), policy(deny={"hardening": {}}), NOW).warnings
    assert (found.check, found.where) == ("H22", "usr/bin/app")
    all_of_them = judge(case(image), policy(deny={"hardening": {"gravity": "info"}}), NOW).warnings
    assert [one.where for one in all_of_them] == ["usr/bin/app", "etc/app.conf"]


def test_an_executable_that_no_package_owns_is_unvetted_where_the_policy_says_so() -> None:
    image = facts(unowned=UNOWNED[:1])
    vetted = {"purls": ["pkg:deb/**"]}
    assert judge(case(image), policy(require={"vetted_packages": vetted}), NOW).outcome is Outcome.ADMIT
    verdict = judge(case(image), policy(require={"vetted_packages": vetted | {"unowned": True}}), NOW)
    assert [(one.rule, one.check, one.where) for one in verdict.violations] == [
        ("require.vetted_packages", "H21", "opt/app/a")
    ]


def test_h17_file_capabilities_that_the_policy_allows_are_no_violation() -> None:
    image = facts(weaknesses=(Weakness("H17", "usr/bin/ping", "it has cap_net_raw+ep"),))
    assert judge(case(image), policy(deny={"hardening": {}}), NOW).warnings[0].where == "usr/bin/ping"
    allowed = {"hardening": {"allow_capabilities": ["usr/bin/ping"]}}
    assert judge(case(image), policy(deny=allowed), NOW).warnings == ()
    setuid = {"hardening": {"allow_setuid": ["usr/bin/ping"]}}
    assert judge(case(image), policy(deny=setuid), NOW).warnings != ()


def test_a_tool_is_named_with_file_package_and_remedy() -> None:
    verdict = judge(case(facts(tools=(SSH,))), policy(deny={"tools": {"kinds": ["ssh-client"]}}), NOW)
    assert verdict.outcome is Outcome.REJECT
    assert verdict.violations[0].sentence == (
        "ssh from package openssh-client 1:9.2p1-2+deb12u7 in usr/bin/ssh: a tool of the kind ssh-client"
        " (recognised by package) is not allowed [deny.tools]; remove the package openssh-client and build again"
    )


def test_a_tool_of_a_kind_that_is_not_named_is_allowed() -> None:
    assert judge(case(facts(tools=(SSH,))), policy(deny={"tools": {"kinds": ["netcat"]}}), NOW).outcome is Outcome.ADMIT


def test_an_unrated_fixable_finding_counts_as_high_unless_policy_says_otherwise() -> None:
    found = case(findings=(FINDING,))
    verdict = judge(found, policy(deny={"findings": {}}), NOW)
    assert verdict.outcome is Outcome.REJECT
    sentence = verdict.violations[0].sentence
    for told in ("CVE-2026-84782", "openssl", "3.0.20-1~deb12u2", "3.0.22-1~deb12u2", "deny.findings"):
        assert told in sentence
    assert judge(found, policy(deny={"findings": {"unrated": "medium"}}), NOW).outcome is Outcome.ADMIT


@pytest.mark.parametrize(
    ("severity", "outcome"), [("low", Outcome.ADMIT), ("medium", Outcome.ADMIT), ("high", Outcome.REJECT)]
)
def test_findings_below_the_threshold_are_not_counted(severity: str, outcome: Outcome) -> None:
    found = replace(FINDING, severity=Severity(severity))
    assert judge(case(findings=(found,)), policy(deny={"findings": {"severity": "high"}}), NOW).outcome is outcome


def test_a_finding_without_a_fix_counts_only_where_policy_asks_for_all() -> None:
    unfixed = case(findings=(replace(FINDING, fixed_version=""),))
    assert judge(unfixed, policy(deny={"findings": {"fixable": True}}), NOW).outcome is Outcome.ADMIT
    assert judge(unfixed, policy(deny={"findings": {"fixable": False}}), NOW).outcome is Outcome.REJECT


def test_a_version_that_cannot_be_compared_is_a_finding_and_not_a_skip() -> None:
    doubtful = replace(FINDING, fixed_version="", uncertain="the version 'x' cannot be compared")
    assert judge(case(findings=(doubtful,)), policy(deny={"findings": {}}), NOW).outcome is Outcome.REJECT


TYPOSQUAT = Package(
    type="pypi",
    name="reqeusts",
    version="2.31.0",
    source_name="reqeusts",
    source_version="2.31.0",
    path="usr/lib/python3/reqeusts.dist-info/METADATA",
    purl="pkg:pypi/reqeusts@2.31.0",
    layer=Digest.of(b"layer"),
)
ATTACK = Finding("MAL-2026-7", (), TYPOSQUAT.purl, "reqeusts", "2.31.0", Severity.CRITICAL)


@pytest.mark.parametrize("deny", [{}, {"findings": {}}, {"findings": {"severity": "critical", "fixable": False}}])
def test_h34_a_malicious_package_is_refused_under_every_policy_although_no_version_mends_it(
    deny: dict[str, Any],
) -> None:
    image = facts(packages=(OPENSSL, TYPOSQUAT), layers=(Digest.of(b"layer"),), created_by=("RUN pip install",))
    verdict = judge(case(image, findings=(ATTACK,)), policy(deny=deny), NOW)
    (refused,) = verdict.violations
    assert (verdict.outcome, refused.check, refused.purl) == (Outcome.REJECT, "H34", TYPOSQUAT.purl)
    assert refused.sentence == (
        "reqeusts 2.31.0 in usr/lib/python3/reqeusts.dist-info/METADATA of layer"
        f" {Digest.of(b'layer').short} (RUN pip install): it is a malicious package (MAL-2026-7): somebody published it"
        " to do harm, and it may have run already where it was installed [deny.malicious]; remove it, and change every"
        " credential that was in reach where it was installed or built"
    )


def test_a_malicious_package_can_be_made_a_warning_and_is_told_once() -> None:
    mild = policy(deny={"malicious": {"effect": "warn"}, "findings": {"fixable": False}})
    verdict = judge(case(findings=(ATTACK,)), mild, NOW)
    assert (verdict.outcome, [one.rule for one in verdict.warnings]) == (Outcome.ADMIT, ["deny.malicious"])


def test_a_malicious_package_is_accepted_only_by_a_waiver_that_names_it_as_that() -> None:
    found = case(findings=(replace(ATTACK, advisory="GHSA-1", aliases=("CVE-2026-9", "MAL-2026-7")),))

    def outcome(**covered: Any) -> Outcome:
        return judge(found, policy(waivers=[{**WAIVER, "findings": [], **covered}]), NOW).outcome

    assert outcome(findings=["CVE-2026-9"]) is Outcome.REJECT
    assert outcome(packages=["pkg:pypi/**"]) is Outcome.REJECT
    assert outcome(findings=["MAL-2026-7"]) is Outcome.ADMIT


def test_a_secret_is_refused_and_its_layer_named() -> None:
    secret = Secret("private key", "root/.ssh/id_ed25519", 1, Digest.of(b"layer"))
    verdict = judge(case(facts(secrets=(secret,))), policy(deny={"secrets": {}}), NOW)
    assert "root/.ssh/id_ed25519 line 1 of layer" in verdict.violations[0].sentence


def test_an_unvetted_package_is_refused_by_name_and_a_vetted_one_is_not() -> None:
    strict = policy(require={"vetted_packages": {"purls": ["pkg:deb/debian/libc6"]}})
    verdict = judge(case(), strict, NOW)
    assert (verdict.outcome, verdict.violations[0].subject) == (Outcome.REJECT, "libssl3 3.0.20-1~deb12u2")
    vetted = policy(require={"vetted_packages": {"purls": ["pkg:deb/debian/**"]}})
    assert judge(case(), vetted, NOW).outcome is Outcome.ADMIT


def test_t52_executables_without_any_package_are_unvetted() -> None:
    bare = case(facts(packages=()))
    assert judge(bare, policy(require={"vetted_packages": {"purls": ["pkg:deb/**"]}}), NOW).outcome is Outcome.REJECT
    assert [warning.rule for warning in judge(bare, policy(), NOW).warnings] == ["inspection"]


def test_packages_of_a_distribution_that_hides_its_name_are_refused() -> None:
    verdict = judge(case(facts(distribution=None)), policy(), NOW)
    assert (verdict.outcome, rules_broken(verdict)) == (Outcome.REJECT, ["inspection"])


def test_an_unsigned_image_is_quarantined_and_a_signed_one_admitted() -> None:
    wanted = policy(("release",), require={"signatures": {"of": ["release"]}})
    assert judge(case(), wanted, NOW).outcome is Outcome.QUARANTINE
    assert judge(case(signatures=signed("release")), wanted, NOW).outcome is Outcome.ADMIT


def test_a_signature_by_somebody_else_does_not_count() -> None:
    wanted = policy(("release", "other"), require={"signatures": {"of": ["release"]}})
    assert judge(case(signatures=signed("other")), wanted, NOW).outcome is Outcome.QUARANTINE


def test_m_of_n_counts_distinct_keys_and_not_signatures() -> None:
    wanted = policy(("one", "two"), require={"signatures": {"of": ["one", "two"], "threshold": 2}})
    assert judge(case(signatures=signed("one", "two", same_key=True)), wanted, NOW).outcome is Outcome.QUARANTINE
    assert judge(case(signatures=signed("one", "two")), wanted, NOW).outcome is Outcome.ADMIT


def test_no_signer_named_means_nobody_satisfies_the_rule() -> None:
    assert judge(case(signatures=signed("x")), policy(require={"signatures": {}}), NOW).outcome is Outcome.QUARANTINE


def test_a_signature_on_the_index_covers_its_images_only_where_policy_lets_it() -> None:
    inherited = case(signatures=signed("release", subject=INDEX))
    for children, outcome in (("inherit", Outcome.ADMIT), ("each", Outcome.QUARANTINE)):
        wanted = policy(("release",), require={"signatures": {"of": ["release"], "children": children}})
        assert judge(inherited, wanted, NOW).outcome is outcome


def test_t43_an_index_is_as_good_as_the_worst_image_it_lists() -> None:
    strict = policy(deny={"tools": {"kinds": ["ssh-client"]}})
    children = (judge(case(), strict, NOW), judge(case(facts(tools=(SSH,))), strict, NOW))
    manifest = Manifest(INDEX, media_types.OCI_INDEX, 2, ManifestKind.INDEX)
    verdict = judge(case(manifest=manifest, facts=None, children=children), strict, NOW)
    assert verdict.outcome is Outcome.REJECT
    assert "usr/bin/ssh of image" in verdict.violations[0].where


def test_t44_a_layer_that_lies_elsewhere_is_refused_unless_policy_opts_in() -> None:
    layer = Descriptor("application/vnd.oci.image.layer.v1.tar+zstd", IMAGE, 1, urls=("http://169.254.169.254/",))
    manifest = Manifest(IMAGE, media_types.OCI_MANIFEST, 2, ManifestKind.IMAGE, layers=(layer,))
    assert judge(case(manifest=manifest), policy(), NOW).outcome is Outcome.REJECT
    assert judge(case(manifest=manifest), policy(foreign_layers=True), NOW).outcome is Outcome.ADMIT


def test_an_artifact_is_refused_where_only_images_are_allowed_and_needs_no_signature_elsewhere() -> None:
    manifest = Manifest(IMAGE, media_types.OCI_MANIFEST, 2, ManifestKind.ARTIFACT, artifact_type="application/x.chart")
    chart = case(manifest=manifest, facts=None)
    assert judge(chart, policy(artifacts=False), NOW).outcome is Outcome.REJECT
    assert judge(chart, policy(require={"signatures": {}}), NOW).outcome is Outcome.ADMIT


@pytest.mark.parametrize(
    ("basis", "outcome"),
    [
        (AdvisoryBasis(), Outcome.QUARANTINE),
        (replace(FRESH, fetched_at=NOW - timedelta(hours=73)), Outcome.QUARANTINE),
        (FRESH, Outcome.ADMIT),
    ],
)
def test_missing_or_stale_advisory_data_does_what_policy_says(basis: AdvisoryBasis, outcome: Outcome) -> None:
    wanted = policy(require={"advisories": {"max_age": "72h"}})
    assert judge(case(advisories=AdvisoryReport(basis)), wanted, NOW).outcome is outcome


class TestHardening:
    WEAKNESSES = (
        Weakness("H14", "the image configuration", "there is no HEALTHCHECK"),
        Weakness("H16", "usr/bin/ping", "its mode is 4755, its owner 0:0"),
        Weakness("H23", "etc/passwd", "the account toor has the uid 0"),
    )

    def judged(self, **hardening: Any) -> Verdict:
        return judge(case(facts(weaknesses=self.WEAKNESSES)), policy(deny={"hardening": hardening}), NOW)

    def test_what_weighs_enough_is_told_worst_first_and_only_warns_unless_told_otherwise(self) -> None:
        verdict = self.judged()
        assert verdict.outcome is Outcome.ADMIT
        assert [one.subject[:3] for one in verdict.warnings] == ["H23", "H16"]
        assert "usr/bin/ping: its mode is 4755" in verdict.warnings[1].sentence
        assert "chmod a-s" in verdict.warnings[1].sentence

    def test_policy_says_what_counts_and_what_it_does(self) -> None:
        refused = self.judged(gravity="info", effect="reject", ignore=["H23"], allow_setuid=["usr/bin/ping"])
        assert refused.outcome is Outcome.REJECT
        assert [one.subject[:3] for one in refused.violations] == ["H14"]

    def test_without_the_rule_nothing_is_said(self) -> None:
        verdict = judge(case(facts(weaknesses=self.WEAKNESSES)), policy(), NOW)
        assert (verdict.violations, verdict.warnings) == ((), ())


def test_an_effect_of_warn_admits_and_says_so() -> None:
    verdict = judge(case(facts(runs_as_root=True)), policy(deny={"root_user": {"effect": "warn"}}), NOW)
    assert (verdict.outcome, [w.rule for w in verdict.warnings]) == (Outcome.ADMIT, ["deny.root_user"])


def test_the_harshest_effect_decides_and_is_told_first() -> None:
    both = policy(deny={"tools": {"kinds": ["ssh-client"]}}, require={"signatures": {}})
    verdict = judge(case(facts(tools=(SSH,))), both, NOW)
    assert verdict.outcome is Outcome.REJECT
    assert [violation.effect for violation in verdict.violations] == [Effect.REJECT, Effect.QUARANTINE]


def test_audit_mode_observes_the_verdict_and_does_not_rewrite_it() -> None:
    verdict = judge(case(facts(tools=(SSH,))), policy(mode="audit", deny={"tools": {"kinds": ["ssh-client"]}}), NOW)
    assert (verdict.outcome, verdict.enforced) == (Outcome.REJECT, Outcome.ADMIT)


WAIVER = {
    "repositories": ["team/*"],
    "findings": ["CVE-2026-84782"],
    "reason": "not reachable",
    "author": "ada",
    "expires": "2026-12-01T00:00:00Z",
}


def test_t86_a_waiver_is_bound_to_its_finding_repository_digest_and_time() -> None:
    found = case(findings=(FINDING,))
    deny: dict[str, Any] = {"findings": {}}
    waived = judge(found, policy(waivers=[WAIVER], deny=deny), NOW)
    assert waived.outcome is Outcome.ADMIT
    assert waived.waived == (f"CVE-2026-84782 {OPENSSL.purl}",)
    assert waived.valid_until == datetime(2026, 12, 1, tzinfo=UTC)
    for change in (
        {"findings": ["CVE-2020-1"]},
        {"repositories": ["other/*"]},
        {"digest": str(INDEX)},
        {"expires": "2026-11-24T11:59:59Z"},
    ):
        assert judge(found, policy(waivers=[WAIVER | change], deny=deny), NOW).outcome is Outcome.REJECT


def test_the_same_question_always_gets_the_same_answer() -> None:
    strict = policy(deny={"tools": {"kinds": ["ssh-client"]}, "findings": {}})
    question = case(facts(tools=(SSH,)), findings=(FINDING,))
    assert judge(question, strict, NOW) == judge(question, strict, NOW)


@pytest.mark.parametrize(
    ("unmatched", "why", "fix"),
    [
        (
            ("pkg:generic/node@20.1", "pkg:npm/axios@1", "pkg:npm/ws@7"),
            "no advisory data covers them: 2 npm, 1 generic (for instance pkg:npm/axios@1)",
            "ask an admin to add a feed for their ecosystem",
        ),
        (
            ("pkg:generic/node@20.1",),
            "no advisory data covers them: 1 generic (for instance pkg:generic/node@20.1)",
            "install them as packages of a distribution, about which advisories speak",
        ),
    ],
)
def test_t53_packages_that_no_advisories_speak_of_are_counted(unmatched: tuple[str, ...], why: str, fix: str) -> None:
    verdict = judge(
        case(advisories=AdvisoryReport(FRESH, (), unmatched)), policy(require={"advisories": {"max_age": "72h"}}), NOW
    )
    (warning,) = verdict.warnings
    assert (warning.rule, warning.why, warning.fix) == ("require.advisories", why, fix)


ARCH = AdvisoryReport(FRESH, (), ("pkg:alpm/arch/bash@5.2-1", "pkg:npm/axios@1"))


@pytest.mark.parametrize(
    ("required", "outcome"),
    [
        ({"effect": "reject"}, Outcome.REJECT),
        ({"effect": "warn"}, Outcome.ADMIT),
        ({"effect": "reject", "uncovered": "warn"}, Outcome.ADMIT),
        ({"effect": "warn", "uncovered": "reject"}, Outcome.REJECT),
    ],
)
def test_t111_a_distribution_that_no_advisories_are_about_is_like_no_advisories(
    required: dict[str, str], outcome: Outcome
) -> None:
    system = OsRelease("arch", pretty_name="Arch Linux")
    verdict = judge(case(facts(distribution=system), advisories=ARCH), policy(require={"advisories": required}), NOW)
    told = (*verdict.violations, *verdict.warnings)
    assert verdict.outcome is outcome
    assert [one.why for one in told if "distribution" in one.why] == [
        "no advisory data is about their distribution, Arch Linux (for instance pkg:alpm/arch/bash@5.2-1)"
    ]
    assert [one.why for one in verdict.warnings if "npm" in one.why] == [
        "no advisory data covers them: 1 npm (for instance pkg:npm/axios@1)"
    ]


def test_t111_an_image_that_claims_another_release_than_is_installed_is_refused() -> None:
    base = Package("deb", "base-files", "12.4+deb12u11", "base-files", "12.4+deb12u11", "var/lib/dpkg/status")
    verdict = judge(case(facts(distribution=OsRelease("debian", "13"), packages=(base, OPENSSL))), policy(), NOW)
    assert verdict.outcome is Outcome.REJECT
    assert verdict.violations[0].sentence.startswith(
        "the distribution in etc/os-release: it says debian 13, but base-files 12.4+deb12u11 is installed"
    )
