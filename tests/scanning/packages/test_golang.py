"""Go programs: real ones built here and by others, and what looks like build information and is none."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanning.packages.golang import BuildInfoSearch

MAGIC = b"\xff Go buildinf:"
MARKS = b"s" * 16, b"e" * 16


def info(version: bytes, modules: bytes, flags: int = 2) -> bytes:
    """Build information as Go 1.18 and later writes it."""
    texts = b"".join(_varint(len(text)) + text for text in (version, MARKS[0] + modules + MARKS[1]))
    return (MAGIC + bytes([8, flags])).ljust(32, b"\0") + texts


def _varint(number: int) -> bytes:
    low, high = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + _varint(high) if high else bytes([low])


def told(content: bytes, chunk: int = 1 << 16) -> list[tuple[str, str]]:
    """Modules and versions found in a program, which is fed in pieces."""
    search = BuildInfoSearch()
    for start in range(0, len(content), chunk):
        search.feed(memoryview(content)[start : start + chunk])
    return [(package.name, package.version) for package in search.finish("usr/bin/app")]


MODULES = (
    b"path\texample.org/app\nmod\texample.org/app\t(devel)\t\n"
    b"dep\tgithub.com/a/b\tv1.2.3\th1:x=\ndep\tgithub.com/old/c\tv0.1.0\n=>\tgithub.com/new/c\tv0.2.0\th1:y=\n"
    b"build\t-compiler=gc\nbuild\tvcs=git\n"
)
EXPECTED = [
    ("stdlib", "1.26.8"),
    ("example.org/app", ""),
    ("github.com/a/b", "v1.2.3"),
    ("github.com/new/c", "v0.2.0"),
]


@given(before=st.integers(0, 40), chunk=st.integers(1, 100))
def test_modules_are_read_wherever_they_stand_and_however_they_are_cut(before: int, chunk: int) -> None:
    content = bytes(16 * before) + info(b"go1.26.8", MODULES) + b"rest"
    assert told(content, chunk) == EXPECTED


@pytest.mark.parametrize("name", [b"github.com/a/", b"/github.com/a", b"github.com//a", b"/", b"", b"a" * 257])
def test_what_is_no_path_of_a_module_is_passed_over(name: bytes) -> None:
    modules = MODULES + b"dep\t" + name + b"\tv1.0.0\th1:z=\n"
    assert told(info(b"go1.26.8", modules)) == EXPECTED


def test_an_experiment_in_the_version_of_go_is_no_part_of_it() -> None:
    assert told(info(b"go1.22.1 X:loopvar", b""))[0] == ("stdlib", "1.22.1")


def test_a_program_of_an_older_go_is_told_without_versions_so_that_nothing_is_ruled_out() -> None:
    assert told(info(b"go1.17", MODULES, flags=0)) == [("stdlib", "")]


@pytest.mark.parametrize(
    "content",
    [
        b"x" + info(b"go1.26.8", MODULES),
        MAGIC,
        MAGIC + b"no header, but what a program that reads such information holds",
        info(b"not go", MODULES),
        b"\x7fELF",
    ],
)
def test_what_only_looks_like_it_is_left_alone(content: bytes) -> None:
    assert told(content) == []


def test_the_magic_alone_does_not_hide_the_information_behind_it() -> None:
    false = (MAGIC + b"\1\1").ljust(32, b"\0")
    assert told(false * 3 + info(b"go1.26.8", MODULES)) == EXPECTED


def test_a_length_that_leads_outside_is_no_reason_to_fail() -> None:
    whole = info(b"go1.26.8", MODULES)
    for end in range(len(whole)):
        assert set(told(whole[:end])) <= set(EXPECTED)


@pytest.mark.real
def test_a_program_built_here_names_its_go(tmp_path: Path) -> None:
    if shutil.which("go") is None:
        pytest.skip("go is not installed")
    (tmp_path / "go.mod").write_text("module example.org/hello\n\ngo 1.18\n")
    (tmp_path / "main.go").write_text('package main\n\nfunc main() { println("hello") }\n')
    environment = os.environ | {"CGO_ENABLED": "0", "GOFLAGS": "-mod=mod", "GOTOOLCHAIN": "local"}
    for options in ([], ["-ldflags=-s -w", "-trimpath"]):
        subprocess.run(["go", "build", *options, "-o", "hello", "."], cwd=tmp_path, env=environment, check=True)
        found = dict(told((tmp_path / "hello").read_bytes()))
        version = subprocess.run(["go", "env", "GOVERSION"], capture_output=True, text=True, check=True).stdout.strip()
        assert found["stdlib"] == version.removeprefix("go").partition(" ")[0]
        assert "example.org/hello" in found


@pytest.mark.real
def test_every_module_that_go_itself_names_in_crane_is_found() -> None:
    for tool in ("go", "crane"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    program = shutil.which("crane") or ""
    said = subprocess.run(["go", "version", "-m", program], capture_output=True, text=True, check=True).stdout
    named = {
        (fields[2], fields[3])
        for line in said.splitlines()
        if (fields := line.split("\t"))[1:2] == ["dep"] and len(fields) > 3
    }
    assert named
    assert named <= set(told(Path(program).read_bytes()))
