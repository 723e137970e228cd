"""What an image has from an approved base, and what is said of one that is built on another."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from config.patterns import RepositoryPattern
from config.vocabulary import ToolKind
from scanning.advisories.model import AdvisoryReport
from scanning.approvals import Approval, ApprovalKind, Approvals, ApprovedBase, BaseContent
from scanning.facts import Evidence, ImageFacts, Package, ReplacedFile, Tool, UnownedFile
from scanning.heritage import nearest, trace
from scanning.judge import judge
from scanning.oci.digest import Digest
from scanning.oci.names import Repository
from scanning.rules.case import Case
from scanning.sbom import SbomFormat, Subject, write_sbom
from scanning.verdict import Outcome, Verdict
from tests.scanning.test_judge import FINDING, FRESH, NOW, OPENSSL, SSH, case, facts, policy


def layer(name: str) -> Digest:
    """A layer as it is stored."""
    return Digest.of(f"packed {name}".encode())


def diff_id(name: str) -> Digest:
    """The same, unpacked."""
    return Digest.of(name.encode())


def built(*layers: str, packages: Sequence[Package] = (OPENSSL,), **changes: Any) -> ImageFacts:
    """An image of these layers."""
    return facts(
        layers=tuple(map(layer, layers)), diff_ids=tuple(map(diff_id, layers)), packages=tuple(packages), **changes
    )


def approved(name: str, *layers: str, packages: Sequence[str] = (OPENSSL.purl,), where: str = "**") -> ApprovedBase:
    """An approved base of these layers."""
    content = BaseContent(
        repository=name.partition(":")[0],
        manifest=Digest.of(name.encode()),
        platform="linux/amd64",
        distribution="Debian 12",
        layers=tuple(map(layer, layers)),
        diff_ids=tuple(map(diff_id, layers)),
        packages=tuple(packages),
    )
    approval = Approval(f"id of {name}", ApprovalKind.BASE, name, (RepositoryPattern(where),), content.manifest)
    return ApprovedBase(approval, content, frozenset(packages))


def on(image: ImageFacts, *bases: ApprovedBase, **changes: Any) -> Case:
    """A case of an image where these bases are approved."""
    return case(image, approvals=Approvals(Digest.of(b"approvals"), b"", bases), **changes)


DEBIAN = approved("base/debian:12", "one", "two")
PYTHON = approved("base/python:3", "one", "two", "three")
TOOLS = (
    replace(SSH, layer=layer("one")),
    Tool(ToolKind.NETCAT, "nc", "usr/bin/nc", Evidence.CONTENT, layer=layer("four")),
)
CURL = replace(OPENSSL, name="curl", purl="pkg:deb/debian/curl@8", layer=layer("four"))


class TestTracing:
    def test_the_longest_approved_chain_that_the_image_begins_with_counts(self) -> None:
        assert trace(built("one", "two", "three", "four"), [DEBIAN, PYTHON]).base == PYTHON
        assert trace(built("one", "two", "four"), [DEBIAN, PYTHON]).base == DEBIAN
        assert trace(built("one", "two"), [DEBIAN, PYTHON]).base == DEBIAN

    def test_layers_in_another_order_or_cut_short_are_another_base(self) -> None:
        for layers in (("two", "one", "three"), ("one",), ("zero", "one", "two"), ()):
            assert trace(built(*layers), [DEBIAN, PYTHON]).base is None

    def test_a_base_without_layers_is_nobodys_base(self) -> None:
        assert trace(built("one"), [approved("base/scratch")]).base is None

    def test_what_lies_in_the_bases_layers_is_the_bases(self) -> None:
        image = built("one", "two", "four")
        heritage = trace(image, [DEBIAN])
        old = replace(OPENSSL, purl="pkg:deb/debian/old@1", layer=layer("two"))
        assert heritage.has(old)
        assert not heritage.has(CURL)
        assert not heritage.has_layer(None)

    def test_a_package_of_the_base_stays_its_own_when_a_later_layer_writes_the_database_anew(self) -> None:
        heritage = trace(built("one", "two", "four"), [DEBIAN])
        assert heritage.has(replace(OPENSSL, layer=layer("four")))
        assert not heritage.has(replace(OPENSSL, layer=layer("four"), purl=OPENSSL.purl.replace("3.0.20", "3.0.22")))

    def test_the_nearest_base_is_the_one_with_most_layers_in_common_then_most_packages(self) -> None:
        far = approved("base/alpine:3", "other", packages=("pkg:apk/alpine/musl@1",))
        found = nearest(built("one", "zwei"), [far, DEBIAN])
        assert found is not None
        assert (found.base, found.shared_layers, found.missing) == (DEBIAN, 1, ())
        found = nearest(built("eins"), [far, DEBIAN])
        assert found is not None
        assert (found.base, found.shared_layers) == (DEBIAN, 0)
        assert nearest(built("one"), []) is None


class TestTheRule:
    def judged(self, image: ImageFacts, *bases: ApprovedBase, **base: Any) -> Verdict:
        return judge(on(image, *bases), policy(require={"base": base}), NOW)

    def test_an_image_on_an_approved_base_is_admitted_and_the_verdict_names_it(self) -> None:
        verdict = self.judged(built("one", "two", "four"), DEBIAN)
        assert (verdict.outcome, verdict.base) == (Outcome.ADMIT, "base/debian:12")

    def test_h02_another_base_waits_and_is_told_the_nearest_and_what_differs(self) -> None:
        verdict = self.judged(built("one", "zwei", packages=[CURL]), DEBIAN)
        assert verdict.outcome is Outcome.QUARANTINE
        (violation,) = verdict.violations
        assert violation.sentence == (
            f"H02 base image that is not approved in layer {layer('zwei').short}: the nearest approved base is"
            " base/debian:12, and it begins with the first 1 of that image's 2 layers; of its 1 package it lacks, or"
            " has in another version: deb/debian/libssl3@3.0.20-1~deb12u2 [require.base]; build it on an approved base"
            " image (imagegate base list), or ask an admin to approve its own: imagegate base approve IMAGE"
        )

    def test_where_nothing_is_approved_it_says_so(self) -> None:
        verdict = self.judged(built("one"), effect="reject")
        assert verdict.outcome is Outcome.REJECT
        assert verdict.violations[0].why == "no base image is approved for this repository"
        assert verdict.violations[0].fix == "ask an admin to approve its base image: imagegate base approve IMAGE"

    def test_only_bases_from_the_named_repositories_count(self) -> None:
        image = built("one", "two", "three")
        assert self.judged(image, DEBIAN, PYTHON, of=["base/debian"]).outcome is Outcome.ADMIT
        assert self.judged(image, PYTHON, of=["base/debian"]).outcome is Outcome.QUARANTINE

    def test_an_approval_counts_only_where_it_holds(self) -> None:
        elsewhere = approved("base/debian:12", "one", "two", where="other/**")
        verdict = self.judged(built("one", "two"), elsewhere)
        assert (verdict.outcome, verdict.base) == (Outcome.QUARANTINE, "")


class TestVetting:
    def judged(self, image: ImageFacts, approvals: Approvals, **vetted: Any) -> Verdict:
        wanted = policy(require={"vetted_packages": {"purls": ["pkg:npm/**"], **vetted}})
        return judge(case(image, approvals=approvals), wanted, NOW)

    def test_packages_of_the_approved_base_are_vetted_where_the_rule_says_so(self) -> None:
        bases = Approvals(Digest.of(b"a"), b"", (DEBIAN,))
        image = built("one", "two", "four", packages=[OPENSSL, CURL])
        assert [one.subject for one in self.judged(image, bases, from_base=True).violations] == [f"curl {CURL.version}"]
        assert len(self.judged(image, bases).violations) == 2

    def test_packages_of_an_approved_base_that_the_image_is_not_built_on_are_not(self) -> None:
        bases = Approvals(Digest.of(b"a"), b"", (DEBIAN,))
        assert len(self.judged(built("eins", "two"), bases, from_base=True).violations) == 1

    def test_packages_that_an_admin_approved_are_vetted_where_that_holds(self) -> None:
        for purl, where, outcome in (
            (OPENSSL.purl, "team/*", Outcome.ADMIT),
            (OPENSSL.purl.partition("?")[0], "**", Outcome.ADMIT),
            (OPENSSL.purl, "other/*", Outcome.REJECT),
            ("pkg:deb/debian/libssl3@3.0.22", "**", Outcome.REJECT),
        ):
            approval = Approval("p", ApprovalKind.PACKAGES, "x", (RepositoryPattern(where),), Digest.of(b"x"))
            sets = Approvals(Digest.of(b"a"), b"", (), ((approval, frozenset({purl})),))
            assert self.judged(built("one"), sets).outcome is outcome
            assert self.judged(built("one"), sets, approved=False).outcome is Outcome.REJECT


class TestWhoseItIs:
    """A base image is mended by building on another, one's own additions in one's own build file."""

    def judged(self, **deny: Any) -> Verdict:
        image = built("one", "two", "four", packages=[replace(OPENSSL, layer=layer("four")), CURL], tools=TOOLS)
        own = replace(FINDING, purl=CURL.purl, package="curl", version="8", fixed_version="8.1")
        return judge(on(image, DEBIAN, advisories=AdvisoryReport(FRESH, (FINDING, own))), policy(deny=deny), NOW)

    def test_a_vulnerable_package_of_the_base_is_mended_by_another_base(self) -> None:
        curl, openssl = self.judged(findings={}).violations
        assert (openssl.inherited, curl.inherited) == (True, False)
        assert openssl.remedy == (
            "it comes from the base image base/debian:12: build on a newer one without it, or upgrade openssl to"
            " 3.0.22-1~deb12u2 or later"
        )
        assert curl.remedy == "this image adds it to base/debian:12: upgrade curl to 8.1 or later"
        assert curl.sentence.endswith(curl.remedy)

    def test_a_tool_is_whose_layer_it_lies_in(self) -> None:
        found = self.judged(tools={"kinds": ["ssh-client", "netcat"]}).violations
        assert {one.where: one.inherited for one in found} == {"usr/bin/ssh": True, "usr/bin/nc": False}

    def test_where_no_base_is_approved_nothing_is_said_of_it(self) -> None:
        image = built("one", tools=TOOLS[:1])
        (violation,) = judge(on(image, DEBIAN), policy(deny={"tools": {"kinds": ["ssh-client"]}}), NOW).violations
        assert (violation.base, violation.remedy) == ("", violation.fix)

    def test_a_bill_of_materials_tells_what_the_base_brought(self) -> None:
        image = built("one", "two", "four", packages=[OPENSSL, CURL])
        subject = Subject(Repository("team/app"), image, NOW, trace(image, [DEBIAN]))
        components = json.loads(write_sbom(subject, SbomFormat.CYCLONEDX))["components"]
        brought = {
            one["name"]: [prop["value"] for prop in one.get("properties", ()) if prop["name"] == "imagegate:base"]
            for one in components
        }
        assert brought["libssl3"] == ["base/debian:12"]
        assert brought["curl"] == []
        packages = json.loads(write_sbom(subject, SbomFormat.SPDX))["packages"]
        told = {one["name"] for one in packages if "from the base image base/debian:12" in one.get("sourceInfo", "")}
        assert told == {"libssl3"}


class TestReplacedPrograms:
    """H35: what was approved is what runs."""

    SWAPPED = ReplacedFile("usr/bin/tool", "a" * 64, "b" * 64, layer("one"), layer("four"))
    STRICT = policy(deny={"hardening": {"effect": "reject"}})

    def told(self, *files: ReplacedFile, **rule: Any) -> list[tuple[str, str, str]]:
        image = built("one", "two", "four", replaced=files)
        verdict = judge(on(image, DEBIAN), policy(**rule) if rule else self.STRICT, NOW)
        return [(one.rule, one.check, one.where) for one in verdict.violations]

    def test_a_program_of_the_base_that_an_upper_layer_replaced_is_named_with_both_contents(self) -> None:
        image = built("one", "two", "four", replaced=(self.SWAPPED,))
        (refused,) = judge(on(image, DEBIAN), self.STRICT, NOW).violations
        assert (refused.check, refused.where, refused.layer) == ("H35", "usr/bin/tool", layer("four"))
        assert "its sha256 is bbbbbbbbbbbb and not aaaaaaaaaaaa as in base/debian:12" in refused.why

    def test_without_an_approved_base_or_within_its_layers_nothing_is_compared(self) -> None:
        image = built("one", "two", "four", replaced=(self.SWAPPED,))
        assert judge(on(image), self.STRICT, NOW).outcome is Outcome.ADMIT
        assert self.told(replace(self.SWAPPED, ended_by=layer("two"))) == []
        assert self.told(replace(self.SWAPPED, brought_by=layer("four"))) == []

    def test_a_newer_package_may_bring_another_program_and_the_same_version_may_not(self) -> None:
        assert self.told(replace(self.SWAPPED, purl="pkg:deb/debian/libssl3@9")) == []
        assert self.told(replace(self.SWAPPED, purl=OPENSSL.purl)) == [("deny.hardening", "H35", "usr/bin/tool")]

    def test_where_unowned_programs_are_unvetted_a_replaced_one_is(self) -> None:
        vetted = {"purls": ["pkg:deb/**"], "from_base": True}
        assert self.told(self.SWAPPED, require={"vetted_packages": vetted}) == []
        assert self.told(self.SWAPPED, require={"vetted_packages": vetted | {"unowned": True}}) == [
            ("require.vetted_packages", "H35", "usr/bin/tool")
        ]

    def test_an_unowned_program_of_the_base_is_vetted_wherever_a_layer_puts_it_again(self) -> None:
        own = UnownedFile("usr/local/bin/app", "c" * 64, layer("four"))
        vetted = policy(require={"vetted_packages": {"purls": ["pkg:deb/**"], "from_base": True, "unowned": True}})
        image = built("one", "two", "four", unowned=(own,))
        knows = replace(DEBIAN, content=replace(DEBIAN.content, programs=("c" * 64,)))
        assert judge(on(image, DEBIAN), vetted, NOW).outcome is Outcome.REJECT
        assert judge(on(image, knows), vetted, NOW).outcome is Outcome.ADMIT
