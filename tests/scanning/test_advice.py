"""What to do so that an image is admitted, as pure values."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from config.vocabulary import Effect, Severity
from scanning.advice import Action, Item, advise
from scanning.advisories.model import Finding
from scanning.facts import ImageFacts, Package, Secret, Weakness
from scanning.judge import judge
from scanning.oci.digest import Digest
from scanning.rules.case import Case
from scanning.verdict import Cause, Violation
from tests.scanning.test_judge import FINDING, NOW, OPENSSL, SSH, case, facts, policy

BASE, OWN = Digest.of(b"base"), Digest.of(b"own")
LAYERS = {"layers": (BASE, OWN), "created_by": ("ADD rootfs", "RUN apt-get install")}
STRICT = policy(
    deny={"tools": {"kinds": ["ssh-client"]}, "secrets": {}, "findings": {"severity": "low"}, "root_user": {}},
)


def advice(image: ImageFacts, *findings: Finding, **rule: Any) -> tuple[Action, ...]:
    """What to do about an image under one rule."""
    asked: Case = case(image, findings=findings)
    return advise(asked, judge(asked, policy(**rule) if rule else STRICT, NOW))


def test_there_is_nothing_to_do_for_what_keeps_every_rule() -> None:
    assert advice(facts()) == ()


def test_every_reason_is_a_part_of_one_action() -> None:
    tools = (replace(SSH, layer=OWN), replace(SSH, name="scp", path="usr/bin/scp", layer=OWN))
    secrets = (Secret("private-key", "root/key", 1, BASE),)
    image = facts(tools=tools, secrets=secrets, runs_as_root=True, user="", **LAYERS)
    assert [(action.title, action.effect, len(action.items)) for action in advice(image)] == [
        ("Remove 2 tools", Effect.REJECT, 2),
        ("Take 1 secret out and revoke it", Effect.REJECT, 1),
        ("Start as an unprivileged user", Effect.WARN, 1),
    ]


def test_the_same_remedy_is_told_once() -> None:
    tools = (SSH, replace(SSH, name="scp", path="usr/bin/scp"))
    (action,) = advice(facts(tools=tools))
    assert action.steps == ("remove the package openssh-client and build again",)


def test_packages_that_nobody_has_vetted_stand_in_rows_the_last_layer_first() -> None:
    def package(kind: str, name: str, layer: Digest) -> Package:
        return Package(kind, name, "1", name, "1", "some/file", purl=f"pkg:{kind}/{name}@1", layer=layer)

    own = (package("npm", "ws", OWN), package("generic", "node", OWN), package("npm", "Accepts", OWN))
    image = facts(packages=(*own, package("deb", "apt", BASE)), **LAYERS)
    (action,) = advice(image, require={"vetted_packages": {"purls": []}})
    assert action.title == "Use vetted packages, or have 4 packages vetted"
    assert [(item.row, item.text, item.place.partition(": ")[2]) for item in action.items] == [
        ("generic", "node 1", "RUN apt-get install"),
        ("npm", "Accepts 1", "RUN apt-get install"),
        ("npm", "ws 1", "RUN apt-get install"),
        ("deb", "apt 1", "ADD rootfs"),
    ]


def test_a_release_whose_end_nobody_knows_is_a_matter_of_data() -> None:
    (action,) = advice(facts(), deny={"end_of_life": {}})
    assert action.title == "Ask an admin for data about the ends of releases"
    assert action.effect is Effect.WARN


def test_programs_without_a_package_database_are_told_apart_from_what_cannot_be_read() -> None:
    (action,) = advice(facts(packages=(), distribution=None, executables=3))
    assert (action.title, action.effect) == ("Let it tell where its programs come from", Effect.WARN)

    (action,) = advice(facts(problems=("two files have one name",)))
    assert (action.title, action.effect) == ("Build it so that all of it can be inspected", Effect.REJECT)


NAMELESS = Package("deb", "bash", "5", "pkg:deb/bash@5", "5", "var/lib/dpkg/status")


@pytest.mark.parametrize(
    ("what", "policy", "title"),
    [
        ({"packages": (NAMELESS,), "distribution": None}, {}, "Let it tell which distribution it is"),
        (
            {},
            {"require": {"minimum_age": {"age": "7d", "purls": ["pkg:deb/**"]}}},
            "Ask a gate how long it has known the packages",
        ),
        ({}, {"require": {"signatures": {"of": []}}}, "Ask an admin to name who signs"),
        (
            {"packages": (), "distribution": None, "executables": 3},
            {"require": {"vetted_packages": {"purls": []}}},
            "Install what no package brings as vetted packages",
        ),
    ],
)
def test_what_is_to_be_done_is_what_mends_it(what: Mapping[str, Any], policy: Mapping[str, Any], title: str) -> None:
    assert title in [action.title for action in advice(facts(**what), **policy)]


class TestFindings:
    LIBRARY = replace(OPENSSL, source_name="openssl", layer=BASE)
    PROGRAM = replace(LIBRARY, name="openssl", purl="pkg:deb/debian/openssl@3.0.20-1~deb12u2?arch=amd64")

    def test_they_are_put_together_by_package_with_the_newest_version_that_is_needed(self) -> None:
        more = replace(FINDING, advisory="X", aliases=("CVE-1",), severity=Severity.HIGH, fixed_version="3.0.21-1")
        (action,) = advice(facts(packages=(self.LIBRARY, self.PROGRAM), **LAYERS), FINDING, more)
        assert action == Action(
            "Upgrade 1 package: 2 findings (1 high, 1 unrated)",
            "deny.findings",
            Effect.REJECT,
            (
                Item(
                    "libssl3, openssl 3.0.20-1~deb12u2 -> 3.0.22-1~deb12u2: CVE-1 high, CVE-2026-84782",
                    f"layer {BASE.short}: ADD rootfs",
                ),
            ),
            ("RUN apt-get update && apt-get install -y --only-upgrade libssl3 openssl",),
        )

    def test_what_nobody_has_mended_is_an_action_of_its_own(self) -> None:
        other = Package("npm", "left", "1", "left", "1", "a/package.json", purl="pkg:npm/left@1", layer=OWN)
        unmended = Finding("GHSA-1", (), other.purl, "left", "1", Severity.CRITICAL)
        image = facts(packages=(self.LIBRARY, other), **LAYERS)
        upgrade, leave = advice(image, FINDING, unmended, deny={"findings": {"fixable": False}})
        assert upgrade.title == "Upgrade 1 package: 1 finding (unrated)"
        assert leave.title == "Do without 1 package: 1 finding (critical)"
        assert leave.items == (Item("left 1: GHSA-1 critical", f"layer {OWN.short}: RUN apt-get install"),)

    def test_a_violation_names_the_layer_and_the_build_step_of_the_package(self) -> None:
        asked = case(facts(packages=(self.LIBRARY,), **LAYERS), findings=(FINDING,))
        (violation,) = judge(asked, STRICT, NOW).violations
        assert (violation.layer, violation.created_by) == (BASE, "ADD rootfs")
        assert f"of layer {BASE.short} (ADD rootfs)" in violation.sentence


def test_what_the_base_brought_is_told_apart_from_what_the_image_adds() -> None:
    asked = case(facts(tools=(SSH,)))
    verdict = judge(asked, STRICT, NOW)
    (told,) = verdict.violations
    both: tuple[Violation, ...] = (
        replace(told, base="base/debian:12", inherited=True),
        replace(told, base="base/debian:12"),
    )
    inherited, added = advise(asked, replace(verdict, violations=both))
    assert inherited.title == "Remove 1 tool (from the base image base/debian:12)"
    assert inherited.steps[0] == (
        "build on a newer base/debian:12 without it (docker build --pull), or in your own build:"
    )
    assert (added.title, len(added.steps)) == ("Remove 1 tool (from your own build)", 1)


def test_weaknesses_are_put_together_by_check() -> None:
    image = facts(weaknesses=tuple(Weakness("H16", f"usr/bin/{name}", "set-uid root") for name in "ab"))
    (action,) = advice(image, deny={"hardening": {}})
    assert action.title.startswith("Mend H16 ")
    assert [item.text.partition(":")[0] for item in action.items] == ["usr/bin/a", "usr/bin/b"]


def test_an_index_does_not_repeat_what_its_images_say() -> None:
    child = judge(case(facts(tools=(SSH,))), STRICT, NOW)
    asked = replace(case(), facts=None, children=(child,))
    verdict = judge(asked, policy(require={"signatures": {"of": []}}), NOW)
    assert [action.title for action in advise(asked, verdict)] == ["Ask an admin to name who signs"]


@pytest.mark.parametrize("cause", Cause)
def test_what_a_rule_found_decides_and_not_the_words_that_it_uses(cause: Cause) -> None:
    asked = case(facts(tools=(SSH,)))
    verdict = judge(asked, STRICT, NOW)
    (told,) = verdict.violations
    (plain,) = advise(asked, verdict)
    (other,) = advise(asked, replace(verdict, violations=(replace(told, cause=cause),)))
    assert other.title != plain.title
    assert (other.rule, other.steps) == (plain.rule, (told.fix,))


def test_a_rule_without_a_title_of_its_own_is_named() -> None:
    asked = case(facts(tools=(SSH,)))
    verdict = judge(asked, STRICT, NOW)
    new = tuple(replace(told, rule="deny.something_new") for told in verdict.violations)
    (action,) = advise(asked, replace(verdict, violations=new))
    assert (action.title, action.steps) == ("Keep the rule deny.something_new", (new[0].fix,))


def test_without_what_a_verdict_was_made_of_its_findings_are_told_as_they_are() -> None:
    asked = case(facts(), findings=(FINDING,))
    verdict = judge(asked, STRICT, NOW)

    for known in (None, replace(asked, facts=None), case(facts())):
        (action,) = advise(known, verdict)
        assert action.title == "Upgrade what has 1 finding"
        assert action.steps == (verdict.violations[0].fix,)
