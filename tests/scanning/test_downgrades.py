"""Packages that go back to older versions than a tag has had, as pure values."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from config.vocabulary import Effect
from scanning.downgrades import Doubt, FormerPackages, regressions, remember
from scanning.facts import ImageFacts, Package
from scanning.judge import judge
from scanning.oci.digest import Digest
from scanning.oci.manifest import Platform
from scanning.verdict import Outcome
from tests.scanning.test_judge import NOW, case, facts, policy

LAYER = Digest.of(b"layer")


def package(name: str, version: str, kind: str = "deb", namespace: str = "debian/") -> Package:
    """A package, known by a file of the layer."""
    purl = f"pkg:{kind}/{namespace}{name}@{version}?arch=amd64"
    return Package(kind, name, version, name, version, "var/lib/dpkg/status", purl=purl, layer=LAYER)


def image(*packages: Package, architecture: str = "amd64") -> ImageFacts:
    """An image with these packages."""
    return facts(packages=packages, platform=Platform("linux", architecture), layers=(LAYER,), created_by=("RUN apt",))


def had(*images: ImageFacts) -> FormerPackages:
    """What a tag has had after these images, the oldest first."""
    former = FormerPackages("latest")
    for one in images:
        former = remember(former, one, lambda _: False)
    return former


def told(new: ImageFacts, *old: ImageFacts) -> list[tuple[str, Doubt]]:
    """What goes back, in short."""
    return [(str(found), found.doubt) for found in regressions(new, had(*old))]


@pytest.mark.parametrize(
    ("kind", "before", "after"),
    [
        ("deb", "3.0.15-1~deb12u1", "3.0.11-1~deb12u2"),
        ("deb", "1:9.2", "9.3"),
        ("apk", "3.1.4-r10", "3.1.4-r9"),
        ("rpm", "1:1.0-1.el9", "2.0-1.el9"),
        ("npm", "4.17.21", "4.17.9"),
        ("npm", "5.0.0", "5.0.0-rc.1"),
        ("golang", "v1.10.0", "v1.9.0"),
        ("pypi", "2.0", "2.0rc1"),
        ("maven", "2.17.1", "2.17.1-alpha"),
    ],
)
def test_older_is_what_the_ecosystem_of_the_package_orders_before(kind: str, before: str, after: str) -> None:
    old, new = image(package("one", before, kind)), image(package("one", after, kind))
    assert told(new, old) == [(f"one {before} -> {after}", Doubt.OLDER)]
    assert told(old, new) == []
    assert told(old, old) == []


def test_what_comes_new_and_what_goes_away_does_not_go_back() -> None:
    assert told(image(package("two", "1")), image(package("one", "2"))) == []


def test_a_package_that_was_left_out_for_a_while_still_counts() -> None:
    first, without, older = image(package("one", "3")), image(package("two", "1")), image(package("one", "2"))
    assert told(older, first, without) == [("one 3 -> 2", Doubt.OLDER)]


def test_of_several_versions_in_one_image_the_newest_counts() -> None:
    both = image(package("one", "1.0.0", "npm", ""), package("one", "3.0.0", "npm", ""))
    assert told(image(package("one", "2.0.0", "npm", "")), both) == [("one 3.0.0 -> 2.0.0", Doubt.OLDER)]
    assert told(both, image(package("one", "2.0.0", "npm", ""))) == []


def test_each_platform_is_compared_with_itself() -> None:
    arm, amd = image(package("one", "2"), architecture="arm64"), image(package("one", "1"))
    assert told(amd, amd, arm) == []
    assert told(replace(arm, packages=(package("one", "1"),)), amd, arm) == [("one 2 -> 1", Doubt.OLDER)]


def test_a_platform_that_the_tag_has_not_had_is_compared_with_all() -> None:
    """An old image whose configuration names another platform is still run by whoever pulls the tag."""
    amd, arm = image(package("one", "3")), image(package("one", "2"), architecture="arm64")
    disguised = image(package("one", "2"), architecture="amd64-v2")
    assert told(disguised, amd, arm) == [("one 3 -> 2", Doubt.OLDER)]
    assert told(image(package("one", "3"), architecture="riscv64"), amd, arm) == []


def test_packages_of_another_distribution_are_other_packages() -> None:
    assert told(image(package("one", "1", namespace="ubuntu/")), image(package("one", "2"))) == []


def test_a_version_that_cannot_be_read_is_not_newer() -> None:
    assert told(image(package("one", "1-1 x")), image(package("one", "2"))) == [("one 2 -> 1-1 x", Doubt.UNREADABLE)]
    assert told(image(package("one", "2")), image(package("one", "1-1 x"))) == []


def test_versions_without_a_known_order_are_told_where_they_change() -> None:
    old, new = image(package("one", "1", "nix", "")), image(package("one", "2", "nix", ""))
    assert told(new, old) == [("one 1 -> 2", Doubt.UNORDERED)]
    assert told(new, old, new) == []


def test_what_was_accepted_is_what_later_images_are_compared_with() -> None:
    former = remember(had(image(package("one", "3"))), image(package("one", "1")), lambda found: found.name == "one")
    assert list(regressions(image(package("one", "2")), former)) == []
    kept = remember(had(image(package("one", "3"))), image(package("one", "1")), lambda _: False)
    assert [found.before for found in regressions(image(package("one", "2")), kept)] == ["3"]


OLDER = image(package("openssl", "3.0.11"), package("zlib1g", "1.2"))
FORMER = had(image(package("openssl", "3.0.15"), package("zlib1g", "1.3")))


def test_the_refusal_names_packages_place_and_remedy() -> None:
    verdict = judge(case(OLDER, former=FORMER), policy(tags={"downgrade": {}}), NOW)
    assert (verdict.outcome, verdict.tag) == (Outcome.REJECT, "latest")
    (violation,) = verdict.violations
    assert violation.sentence == (
        f"openssl 3.0.15 -> 3.0.11, zlib1g 1.3 -> 1.2 in var/lib/dpkg/status of layer {LAYER.short} (RUN apt):"
        " the tag latest has had newer versions [tags.downgrade]; build it with newer packages"
        " (docker build --pull --no-cache takes the newest base), push it under another tag, or ask an admin for a"
        " waiver of these packages"
    )


def test_of_many_packages_a_few_are_named() -> None:
    names = [f"lib{number}" for number in range(9)]
    former = had(image(*(package(name, "2") for name in names)))
    verdict = judge(
        case(image(*(package(name, "1") for name in names)), former=former), policy(tags={"downgrade": {}}), NOW
    )
    assert verdict.violations[0].subject.endswith("lib3 2 -> 1 and 5 more packages")


def test_packages_that_may_go_back_are_passed_over() -> None:
    rule = policy(tags={"downgrade": {"allow": ["pkg:deb/debian/zlib*"]}})
    (violation,) = judge(case(OLDER, former=FORMER), rule, NOW).violations
    assert violation.subject == "openssl 3.0.15 -> 3.0.11"


def test_a_waiver_of_a_package_lets_it_go_back_and_is_told() -> None:
    waiver = {
        "repositories": ["**"],
        "packages": ["pkg:deb/debian/openssl@3.0.11", "pkg:deb/debian/zlib1g"],
        "reason": "3.0.15 breaks the old clients",
        "author": "alice",
        "expires": datetime(2027, 1, 1, tzinfo=UTC),
    }
    verdict = judge(case(OLDER, former=FORMER), policy(tags={"downgrade": {}}, waivers=[waiver]), NOW)
    assert verdict.outcome is Outcome.ADMIT
    assert verdict.waived[0] == "openssl 3.0.15 -> 3.0.11 under the tag latest"


def test_it_can_be_a_warning_and_is_nothing_where_the_policy_does_not_ask() -> None:
    warned = judge(case(OLDER, former=FORMER), policy(tags={"downgrade": {"effect": "warn"}}), NOW)
    assert (warned.outcome, len(warned.warnings)) == (Outcome.ADMIT, 1)
    silent = judge(case(OLDER, former=FORMER), policy(), NOW)
    assert (silent.outcome, silent.warnings) == (Outcome.ADMIT, ())


def test_what_has_no_known_order_only_warns() -> None:
    new, former = image(package("one", "2", "nix", "")), had(image(package("one", "1", "nix", "")))
    verdict = judge(case(new, former=former), policy(tags={"downgrade": {}}), NOW)
    assert verdict.outcome is Outcome.ADMIT
    assert verdict.warnings[0].effect is Effect.WARN
    assert "nothing is known of the order" in verdict.warnings[0].why
