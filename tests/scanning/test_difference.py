"""How two images differ."""

from dataclasses import replace

from scanning.advisories.model import AdvisoryBasis, AdvisoryReport
from scanning.difference import Change, Difference, compare
from scanning.facts import ImageFacts, OsRelease, Package, Weakness
from scanning.oci.digest import Digest
from tests.scanning.test_judge import FINDING, OPENSSL, SSH, facts

NOTHING = AdvisoryReport(AdvisoryBasis())
VULNERABLE = AdvisoryReport(AdvisoryBasis(), (FINDING,))
SETUID = Weakness("H16", "usr/bin/ping", "its mode is 4755, its owner 0:0")


def package(name: str, version: str) -> Package:
    return replace(OPENSSL, name=name, version=version)


def difference(before: ImageFacts, after: ImageFacts) -> Difference:
    return compare((before, NOTHING), (after, NOTHING))


def test_an_image_does_not_differ_from_itself_wherever_its_layers_come_from() -> None:
    same = replace(
        facts(tools=(SSH,)), packages=(replace(OPENSSL, layer=Digest.of(b"other")),), manifest=Digest.of(b"other")
    )
    assert difference(facts(tools=(SSH,)), same).is_empty


def test_packages_that_came_went_and_changed_are_told_apart() -> None:
    before = facts(packages=(package("a", "1"), package("b", "1"), package("c", "1")))
    after = facts(packages=(package("b", "2"), package("c", "1"), package("d", "1")))
    found = difference(before, after)
    assert [one.name for one in found.packages_added] == ["d"]
    assert [one.name for one in found.packages_removed] == ["a"]
    assert found.packages_changed == (Change("deb b", "1", "2"),)


def test_a_second_version_of_a_package_is_a_change() -> None:
    found = difference(facts(packages=(package("a", "1"),)), facts(packages=(package("a", "2"), package("a", "1"))))
    assert found.packages_changed == (Change("deb a", "1", "1, 2"),)


def test_tools_weaknesses_findings_and_configuration_count_as_well() -> None:
    before = facts(weaknesses=(SETUID,))
    after = facts(tools=(SSH,), user="", distribution=OsRelease("debian", "13"), size=7)
    found = compare((before, NOTHING), (after, VULNERABLE))
    assert found.tools_added == (SSH,)
    assert found.weaknesses_removed == (SETUID,)
    assert found.findings_added == (FINDING,)
    assert found.configuration == (Change("user", "app", "none"), Change("size", "0 bytes", "7 bytes"))
    back = compare((after, VULNERABLE), (before, NOTHING))
    assert (back.tools_removed, back.weaknesses_added, back.findings_removed) == ((SSH,), (SETUID,), (FINDING,))
