"""Programs that an upper layer put something else in the place of."""

from collections.abc import Mapping
from typing import Any

from tests.images import File
from tests.scanning.files.files import ELF
from tests.scanning.layers.test_belongings import APP, OTHER, packaged
from tests.scanning.layers.test_overlay import HardLink, Link, Program, image, layer

TOOL = {"usr/bin/tool": Program(APP)}


def replaced(*layers: Mapping[str, Any], whiteouts: tuple[str, ...] = ()) -> list[tuple[str, int, int, str]]:
    """Path, number of the layer that brought it, number of the one that ended it, and who says it is theirs."""
    made = [
        layer(files, name=str(n), whiteouts=whiteouts if n == len(layers) - 1 else ()) for n, files in enumerate(layers)
    ]
    numbers = {one.digest: number for number, one in enumerate(made)}
    facts = image(*made)
    assert facts.is_understood, facts.problems
    return [
        (file.path, numbers[file.brought_by], numbers[file.ended_by], file.purl.partition("?")[0])
        for file in facts.replaced
    ]


def test_another_program_in_its_place() -> None:
    assert replaced(TOOL, {}, {"usr/bin/tool": Program(OTHER)}) == [("usr/bin/tool", 0, 2, "")]


def test_the_same_program_again_is_no_change_whatever_its_mode() -> None:
    assert replaced(TOOL, {"usr/bin/tool": File(APP, 0o700)}) == []


def test_what_is_only_gone_is_not_told() -> None:
    assert replaced(TOOL, {}, whiteouts=("usr/bin/tool",)) == []


def test_a_link_in_its_place_is_told_by_what_it_leads_to() -> None:
    for link in (Link("/opt/evil"), HardLink("opt/evil")):
        swapped = {"opt/evil": Program(OTHER), "usr/bin/tool": link}
        assert replaced(TOOL, swapped) == [("usr/bin/tool", 0, 1, "")]
    assert replaced(TOOL, {"opt/same": Program(APP), "usr/bin/tool": Link("/opt/same")}) == []


def test_a_folder_that_became_a_link_takes_its_programs_along() -> None:
    swapped = {"opt/evil/tool": Program(OTHER), "usr/bin": Link("/opt/evil")}
    assert replaced(TOOL, swapped, whiteouts=("usr/bin",)) == [("usr/bin/tool", 0, 1, "")]


def test_a_text_in_its_place_is_told_too() -> None:
    assert replaced(TOOL, {"usr/bin/tool": b"nothing"}) == [("usr/bin/tool", 0, 1, "")]


def test_each_layer_that_brought_another_one_is_told() -> None:
    third = {"usr/bin/tool": Program(ELF + b"a third")}
    assert replaced(TOOL, TOOL, {"usr/bin/tool": Program(OTHER)}, third) == [
        ("usr/bin/tool", 0, 2, ""),
        ("usr/bin/tool", 2, 3, ""),
    ]


def test_what_is_there_again_in_the_end_was_not_replaced() -> None:
    assert replaced(TOOL, {"usr/bin/tool": Program(OTHER)}, TOOL) == [("usr/bin/tool", 1, 2, "")]


def test_an_upgrade_is_told_with_the_package_that_says_so() -> None:
    old = packaged("app", {"usr/bin/app": APP}) | {"usr/bin/app": Program(APP)}
    new = packaged("app", {"usr/bin/app": OTHER}, version="2") | {"usr/bin/app": Program(OTHER)}
    assert replaced(old, new) == [("usr/bin/app", 0, 1, "pkg:deb/debian/app@2")]


def test_a_package_whose_sums_tell_of_another_content_says_nothing() -> None:
    old = packaged("app", {"usr/bin/app": APP}) | {"usr/bin/app": Program(APP)}
    new = packaged("app", {"usr/bin/app": APP}, version="2") | {"usr/bin/app": Program(OTHER)}
    assert replaced(old, new) == [("usr/bin/app", 0, 1, "")]


def test_where_two_packages_claim_it_none_is_believed() -> None:
    old = packaged("app", {"usr/bin/app": APP}) | {"usr/bin/app": Program(APP)}
    forged = packaged("zzz", {"usr/bin/app": OTHER})
    both = {**old, "var/lib/dpkg/info/zzz.list": forged["var/lib/dpkg/info/zzz.list"]}
    both["var/lib/dpkg/info/zzz.md5sums"] = forged["var/lib/dpkg/info/zzz.md5sums"]
    status = old["var/lib/dpkg/status"]
    more = forged["var/lib/dpkg/status"]
    assert isinstance(status, bytes)
    assert isinstance(more, bytes)
    both["var/lib/dpkg/status"] = status + b"\n" + more
    assert replaced(old, both | {"usr/bin/app": Program(OTHER)}) == [("usr/bin/app", 0, 1, "")]
