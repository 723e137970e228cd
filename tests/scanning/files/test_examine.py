"""One file of a layer: what it tells, whatever its chunks, and what is too much."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanning.facts import Account, EntryKind, FileEntry, FileFinds, OsRelease, Package, Secret
from scanning.files import examine, system
from scanning.files.examine import Examiner
from scanning.layers.limits import InspectionLimits
from scanning.packages import catalogers, licences, ownership
from tests.fuzz.targets import FILES
from tests.images import OS_RELEASE_12, PASSWD, dpkg_status
from tests.scanning.files.files import ELF, examined, told
from tests.scanning.files.keys import KEYS

KEY = KEYS["EC SEC1"].encode()


def test_a_package_database() -> None:
    path = "var/lib/dpkg/status"
    assert told(path, dpkg_status(("dash", "1"))) == FileFinds(
        path, packages=(Package("deb", "dash", "1", "dash", "1", path, architecture="amd64"),)
    )


def test_a_broken_package_database_is_a_problem() -> None:
    found = told("var/lib/dpkg/status", b"nonsense\n")
    assert found is not None
    assert found.packages == ()
    assert "line 1 is no field of a dpkg database" in found.problem


def test_a_database_that_is_too_large_is_a_problem_and_not_held() -> None:
    content = dpkg_status(("dash", "1"))
    found = told("var/lib/dpkg/status", content, limits=InspectionLimits(file_bytes=len(content) - 1))
    assert found is not None
    assert "raise inspection.file_bytes" in found.problem
    assert found.limit == "file_bytes"
    assert told("var/lib/dpkg/status", content, limits=InspectionLimits(file_bytes=len(content))) != found


def test_system_files() -> None:
    release = told("etc/os-release", OS_RELEASE_12)
    accounts = told("etc/passwd", PASSWD)
    assert release is not None
    assert release.os_release == OsRelease(
        "debian", "12", "bookworm", "Debian GNU/Linux 12 (bookworm)", "etc/os-release"
    )
    assert accounts is not None
    assert accounts.accounts == (Account("root", 0), Account("app", 1000))


def test_text_is_searched_for_secrets_whatever_its_name_and_mode() -> None:
    assert told("srv/data", KEY) == FileFinds("srv/data", secrets=(Secret("private-key", "srv/data", 1),))


def test_a_program_is_not_searched_for_secrets() -> None:
    assert told("usr/bin/openssl", ELF + KEY, mode=0o755) is None


def test_data_that_is_neither_text_nor_program_tells_nothing() -> None:
    assert told("srv/data", b"\0" + KEY + b"usage: ssh [-4") is None


def test_the_first_bytes_of_large_text_are_searched() -> None:
    limit = examine.MAX_TEXT_BYTES
    log = b"a line of a log\n" * (limit // 16)
    assert told("var/log/a", log[: limit - len(KEY)] + KEY) is not None
    assert told("var/log/a", log + KEY) is None


def test_text_that_begins_as_a_windows_program_is_text() -> None:
    assert told("srv/mz", b"MZ\n" + KEY) is not None


def test_a_metadata_file_that_is_a_program_is_seen_as_one() -> None:
    found = told("app/a.dist-info/METADATA", ELF + b"usage: ssh [-4")
    assert found is not None
    assert found.tools
    assert found.problem


def test_an_empty_file_is_not_read_unless_it_is_metadata() -> None:
    assert examine.begin(FileEntry("srv/empty", EntryKind.FILE)) is None
    assert told("var/lib/dpkg/status", b"") is None
    assert told("app/a.dist-info/METADATA", b"") is not None


_PIECES: Iterable[bytes] = (
    ELF, b"usage: ssh [-", b"usage: ", b"nc [-", b"OpenSSH_9.2p", b"1", b"\0" * 70, b"x" * 4090, KEY, b"\n",
    b"Name: a\n", b"Version: 1\n", b"Package: a\n", b"x" * 5000,
)  # fmt: skip

_BEGINNINGS = (
    b"#!/bin/sh\n",
    b"0\x0a\x02\x01\x03\x30",
    b"\xfe\xed\xfe\xed",
    b"\x03\xd9\xa2\x9a",
    b"0 is a number\n",
    b"\xff Go ",
    b"MZ",
    b"MZ\x90\0",
    b"curl x | sh\n",
)


@given(
    path=st.sampled_from(
        ("usr/bin/ssh", "opt/x", "a/ssh.exe", "app/a.dist-info/METADATA", "var/lib/dpkg/status", "root/.netrc")
    ),
    content=st.lists(st.sampled_from((*_PIECES, b"MZ\x90\0", b"#!/bin/sh\n", b"curl x | sh\n")), max_size=8).map(
        b"".join
    ),
    chunk=st.sampled_from((1, 7, 63, 64, 65, 512, 4095, 4096, 4097, 10_000)),
)
def test_how_a_file_is_cut_never_changes_what_it_tells(path: str, content: bytes, chunk: int) -> None:
    assert told(path, content, 0o755, chunk) == told(path, content, 0o755, max(1, len(content)))


@given(
    path=st.sampled_from(
        (
            *("usr/bin/ssh", "opt/x", "opt/gcc", "app/a.dist-info/METADATA", "var/lib/dpkg/status", "root/.netrc"),
            *("etc/a.conf", "usr/lib/python3/dist-packages/a.py", "srv/a.json", "root/.git/config", "bin/tool", "a.sh"),
        )
    ),
    mode=st.sampled_from((0o644, 0o755)),
    content=st.lists(st.sampled_from((*_PIECES, *_BEGINNINGS)), min_size=1, max_size=6).map(b"".join),
    around=st.lists(st.sampled_from((*_PIECES, b"\0" * 512)), max_size=3).map(b"".join),
)
def test_what_lies_beside_a_file_in_the_archive_never_changes_what_it_tells(
    path: str, mode: int, content: bytes, around: bytes
) -> None:
    examiner, piece = Examiner(), around + content + around
    examiner.look_at(piece)
    entry, start = FileEntry(path, EntryKind.FILE, mode, size=len(content)), len(around)
    found = examiner.examine(entry, memoryview(piece)[start : start + len(content)], start)
    assert found == examined(path, content, mode, chunk=1000)


def test_every_path_that_somebody_reads_is_held_whole() -> None:
    matchers = [
        *(cataloger.matches for cataloger in catalogers.CATALOGERS),
        *(ownership.matches, licences.matches, system.is_os_release),
    ]
    read = [path for path in FILES if any(matches(path) for matches in matchers)]
    assert len(read) > 25
    for path in (*read, "etc/passwd", "etc/shadow", "var/lib/dpkg/diversions"):
        entry = FileEntry(path, EntryKind.FILE, size=10)
        found = examine.begin(entry, InspectionLimits(file_bytes=9))
        assert found is not None
        told_of = found.finish()
        assert told_of is not None, path
        assert told_of.limit == "file_bytes", path


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"ID=alpine\nVERSION_ID=3.20.1\n", OsRelease("alpine", "3.20.1", path="etc/os-release")),
        (b"ID='ubuntu'\nVERSION_ID=\"24.04\"\n", OsRelease("ubuntu", "24.04", path="etc/os-release")),
        (b"# comment\nnonsense\nID=a\nID=debian\n", OsRelease("debian", path="etc/os-release")),
        (b'PRETTY_NAME="a \\"b\\" \\$c"\n', OsRelease("linux", pretty_name='a "b" $c', path="etc/os-release")),
        (b"ID=../up\n", OsRelease("linux", path="etc/os-release")),
        (b"", OsRelease("linux", path="etc/os-release")),
    ],
)
def test_os_release(content: bytes, expected: OsRelease) -> None:
    found = told("etc/os-release", content)
    assert found is not None
    assert found.os_release == expected


@pytest.mark.parametrize(
    ("path", "content", "names"),
    [
        ("etc/passwd", b"root::0:0:::\napp:x:1:1:::\n+::::::\n", ("root",)),
        ("etc/shadow", b"root:::0:::::\napp:*:19000:0:99999:7:::\nme:!:1:0:::::\n", ("root",)),
        ("etc/shadow", b"root:*:19000:0:99999:7:::\n", ()),
        ("etc/shadow-", b"root:::0:::::\n", ()),
    ],
)
def test_accounts_without_a_password(path: str, content: bytes, names: tuple[str, ...]) -> None:
    found = told(path, content)
    assert (found.open_accounts if found else ()) == names


def test_passwd_is_read_as_runtimes_read_it() -> None:
    found = told("etc/passwd", b"+::::::\nroot:x:0:0:::\n\nno uid:x:a:0:::\nshort:x\nodd\xff:x:5:5:::\n")
    assert found is not None
    assert found.accounts == (
        *(Account("+", 0), Account("root", 0), Account("no uid", 0), Account("short", 0)),
        Account("odd\\xff", 5),
    )
