""".NET programs published as a single file: what the list in them names."""

from dataclasses import replace

import pytest

from scanning.errors import InvalidContentError
from tests.dotnet_bundles import DEPENDENCIES, FILES, Embedded, bundle, dependencies, host
from tests.scanning.files.files import examined
from tests.scanning.packages.test_programs import read, told

PACKAGES = [("nuget", "Microsoft.NETCore.App.Runtime.linux-x64", "8.0.1"), ("nuget", "Newtonsoft.Json", "13.0.1")]
WINDOWS = b"MZ" + bytes(58) + (64).to_bytes(4, "little") + b"PE\0\0" + bytes(300)


@pytest.mark.parametrize("version", [1, 2, 6])
@pytest.mark.parametrize("chunk", [1, 7, 100, 1000, 1 << 16])
def test_the_packages_of_a_bundle_wherever_it_is_cut(version: int, chunk: int) -> None:
    """.NET Core 3, .NET 5 and those since."""
    assert told(bundle(version=version), chunk=chunk) == PACKAGES


@pytest.mark.parametrize("chunk", [1000, 1 << 16])
def test_a_bundle_for_windows(chunk: int) -> None:
    found = examined("app/api.exe", bundle(start=WINDOWS), chunk=chunk)
    assert found is not None
    assert [(one.type, one.name, one.version) for one in found.packages] == PACKAGES


def test_a_list_behind_a_byte_order_mark() -> None:
    marked = tuple(
        replace(one, content=b"\xef\xbb\xbf" + one.content) if one.kind == DEPENDENCIES else one for one in FILES
    )
    assert told(bundle(marked)) == PACKAGES


def test_a_bundle_without_a_list_is_told_by_its_assemblies() -> None:
    """No version of theirs is known, so no advisory about them is ruled out."""
    without = tuple(one for one in FILES if one.kind != DEPENDENCIES)
    assert told(bundle(without)) == [("nuget", "api", ""), ("nuget", "Newtonsoft.Json", "")]


@pytest.mark.parametrize("name", ["a/.dll", " .dll", "a\n.dll", "Übung.dll"])
def test_an_assembly_that_no_package_can_be_called_as_is_none(name: str) -> None:
    odd = Embedded(name, b"MZ", FILES[0].kind)
    assert told(bundle((FILES[0], odd))) == [("nuget", "api", "")]


@pytest.mark.parametrize(
    "program",
    [
        pytest.param(host(), id="a host that holds nothing"),
        pytest.param(host(header=1 << 40), id="one that leads past its end"),
        pytest.param(host(header=3000) + b"\xff" * 5000, id="other bytes before the signature"),
        pytest.param(host()[:64] + dependencies() + bytes(100), id="a list, and no bundle"),
    ],
)
def test_programs_that_are_no_bundles(program: bytes) -> None:
    assert told(program) == []


def test_a_program_that_has_another_in_it() -> None:
    inner = Embedded("tool", bundle(()), 2)
    assert told(bundle((inner, *FILES))) == PACKAGES


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        (bundle(version=7), "of version 7.0, which is not known"),
        (bundle()[:-9], "whose header is damaged"),
        (bundle(count=50_000), "whose header is damaged"),
        (bundle((replace(FILES[1], content=b'{"libraries": {}}'),)), "not where its header says"),
        (bundle((replace(FILES[1], content=b'{"runtimeTarget": ' + b"{" * 90),)), "is no JSON"),
    ],
)
def test_t52_a_bundle_that_cannot_be_read_is_a_problem(program: bytes, reason: str) -> None:
    with pytest.raises(InvalidContentError, match=reason):
        read(program)
    found = examined("app/api.exe", WINDOWS + program[len(WINDOWS) :])
    assert found is not None
    assert reason in found.problem
