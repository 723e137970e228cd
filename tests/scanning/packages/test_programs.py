"""What programs say of themselves: real ones, a Rust program's crates, notes, and what only looks like these."""

import json
import shutil
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanning.errors import InvalidContentError
from scanning.facts import Package
from scanning.packages.programs import ProgramSearch
from scanning.packages.rust import AuditSearch

ELF = b"\x7fELF" + bytes(60)
CRATES = [
    {"name": "app", "version": "0.1.0", "source": "local", "dependencies": [1], "root": True},
    {"name": "itoa", "version": "1.0.15", "source": "crates.io"},
    {"name": "cc", "version": "1.0.83", "source": "crates.io", "kind": "build"},
]


def audited(packages: object = CRATES, level: int = 6) -> bytes:
    """A program with the section that cargo-auditable adds."""
    content = json.dumps({"packages": packages, "format": 1}, separators=(",", ":")).encode()
    return ELF + b"text\0xx\x9c" + zlib.compress(content, level) + b"\0.shstrtab\0.dep-v0\0"


def note(kind: str = "rpm", name: str = "bash", version: str = "5.2.26-3.fc40") -> bytes:
    """A program with the note of whoever packaged it."""
    content = json.dumps({"type": kind, "name": name, "version": version, "architecture": "x86_64"}).encode() + b"\0"
    header = len(b"FDO\0").to_bytes(4, "little") + len(content).to_bytes(4, "little") + b"\x7e\x1a\xfe\xcaFDO\0"
    return ELF + header + content + bytes(20)


def read(content: bytes, path: str = "usr/local/bin/app", chunk: int = 1 << 16) -> tuple[Package, ...]:
    """What a program tells that is fed in pieces."""
    search = ProgramSearch(path)
    for start in range(0, len(content), chunk):
        search.feed(memoryview(content)[start : start + chunk])
    return search.finish()


def told(content: bytes, path: str = "usr/local/bin/app", chunk: int = 1 << 16) -> list[tuple[str, str, str]]:
    """The same, in short."""
    return [(package.type, package.name, package.version) for package in read(content, path, chunk)]


RUST = [("cargo", "app", "0.1.0"), ("cargo", "itoa", "1.0.15")]
NGINX = ELF + bytes(100) + b"\0nginx version: nginx/1.25.3\0" + bytes(100)


@pytest.mark.parametrize("level", [1, 6, 9])
def test_the_crates_of_a_rust_program_are_read_and_not_what_only_built_it(level: int) -> None:
    assert told(audited(level=level)) == RUST


@given(before=st.binary(max_size=40), chunk=st.integers(1, 200))
def test_crates_are_read_wherever_they_stand_and_however_they_are_cut(before: bytes, chunk: int) -> None:
    assert told(ELF + before + audited(), chunk=chunk) == RUST


@pytest.mark.parametrize(
    "content",
    [
        audited()[:-60],
        audited([{"name": "itoa"}]),
        audited(["itoa"]),
        audited([{"name": "../itoa", "version": "1"}]),
        ELF + zlib.compress(b'{"packages":[' + b"1," * 9_000_000),
    ],
)
def test_a_list_of_crates_that_cannot_be_read_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidContentError, match=r"^usr/local/bin/app "):
        read(content)


@pytest.mark.timeout(120)
def test_t56_what_looks_like_many_lists_of_crates_is_refused_not_searched_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("scanning.packages.rust._MOST_HEADERS", 1000)
    with pytest.raises(InvalidContentError, match="more than 1000 times"):
        read(ELF + b"x\x9c\x05" * 5000)


def test_other_compressed_data_is_no_list_of_crates() -> None:
    search = AuditSearch()
    search.feed(ELF + zlib.compress(b'{"modules":[]}' * 100) + zlib.compress(bytes(100_000)))
    assert search.finish("x") == ()


@pytest.mark.parametrize("kind", ["rpm", "deb"])
@given(chunk=st.integers(1, 300))
def test_a_note_says_which_package_a_program_was_built_for(kind: str, chunk: int) -> None:
    (package,) = read(note(kind), chunk=chunk)
    assert (package.type, package.name, package.version) == (kind, "bash", "5.2.26-3.fc40")
    assert package.architecture == "x86_64"


@pytest.mark.parametrize("content", [note("flatpak"), note(name="../x"), note(version=""), note().replace(b'"', b"'")])
def test_a_note_that_names_no_known_package_adds_none(content: bytes) -> None:
    assert read(content) == ()


def test_half_of_a_surrogate_pair_in_a_note_becomes_a_question_mark() -> None:
    (package,) = read(note().replace(b"x86_64", rb"\ud800"))
    assert package.architecture == "?"


@given(chunk=st.integers(1, 300), name=st.sampled_from(("nginx", "renamed")))
def test_a_program_is_known_by_its_words_under_any_name(chunk: int, name: str) -> None:
    assert told(NGINX, f"opt/{name}", chunk) == [("generic", "nginx", "1.25.3")]


@pytest.mark.parametrize(
    ("path", "content", "expected"),
    [
        ("usr/local/bin/python3.12", b"\0pymalloc\x003.12.4\0strict\0", ("python", "3.12.4")),
        ("usr/local/lib/libpython3.13.so.1.0", b"\x003.13.0rc2\0", ("python", "3.13.0rc2")),
        ("usr/local/bin/redis-server", b"\x007.2.4buildkitsandbox-1702957741000000000\0", ("redis", "7.2.4")),
        ("usr/bin/node", b"node.js/v22.9.0\0", ("node", "22.9.0")),
        ("opt/openresty", b"\0nginx version: openresty/1.21.4.1\0", ("nginx", "1.21.4")),
        ("usr/local/bin/postgres", b"autovacuum launcher\0PostgreSQL 16rc1 on x86_64-pc-linux-musl, compiled by\0",
         ("postgresql", "16rc1")),
        ("opt/lib.so", b"\0OpenSSL 1.1.1w  11 Sep 2023\0OPENSSLDIR: \"/x\"\0", ("openssl", "1.1.1w")),
        ("usr/local/bin/jq", b"\x001.7.1\0", ("jq", "1.7.1")),
    ],
)  # fmt: skip
def test_versions_as_programs_write_them(path: str, content: bytes, expected: tuple[str, str]) -> None:
    assert told(ELF + content + bytes(8), path) == [("generic", *expected)]


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("usr/bin/app", b"\x003.12.4\0"),  # a bare version means something in python's own files only
        ("usr/sbin/nginx-client", b"\0OpenSSL 3.0.11 19 Sep 2023\0"),  # what it was built against, not what it holds
        ("usr/bin/psql", b"psql (PostgreSQL) 15.3\0"),
        ("usr/bin/app", b"nginx version: nginx/%s\0"),
    ],
)
def test_what_only_looks_like_a_version_is_none(path: str, content: bytes) -> None:
    assert told(ELF + content + bytes(8), path) == []


REAL = (
    *(("nginx", "nginx"), ("busybox", "busybox"), ("bash", "bash"), ("perl", "perl"), ("openssl", "openssl")),
    *(("xz", "xz"), ("gzip", "gzip"), ("curl", "curl"), ("docker-registry", "stdlib")),
)


@pytest.mark.real
@pytest.mark.parametrize(("program", "expected"), REAL)
def test_debian_s_programs_tell_what_they_are_under_another_path(program: str, expected: str) -> None:
    found = shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin")
    if found is None:
        pytest.skip(f"{program} is not installed")
    names = {package.name for package in read(Path(found).read_bytes(), f"opt/{program}")}
    assert expected in names


@pytest.mark.real
def test_debian_s_postgresql_tells_its_version() -> None:
    servers = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if not servers:
        pytest.skip("PostgreSQL is not installed")
    (package,) = read(servers[0].read_bytes(), "opt/db")
    assert (package.type, package.name) == ("generic", "postgresql")
    assert package.version.split(".")[0] == servers[0].parts[-3]
