"""Which package installed a file."""

import pytest

from scanning.facts import Ownership
from scanning.packages import ownership


def test_a_dpkg_list_leaves_its_directories_out() -> None:
    content = b"/.\n/bin\n/bin/nc.openbsd\n/usr\n/usr/share\n/usr/share/doc\n/usr/share/doc/nc\n/usr/share/doc/nc.txt\n"
    assert ownership.read("var/lib/dpkg/info/netcat-openbsd:amd64.list", content) == (
        Ownership("netcat-openbsd", ("bin/nc.openbsd", "usr/share/doc/nc", "usr/share/doc/nc.txt")),
    )


def test_an_empty_list_owns_nothing() -> None:
    assert ownership.read("var/lib/dpkg/info/empty.list", b"/.\n") == ()


def test_sums_beside_a_fragment() -> None:
    content = b"0123456789abcdef0123456789abcdef  usr/lib/a b.so\n"
    assert ownership.read("var/lib/dpkg/status.d/libssl3.md5sums", content) == (
        Ownership("libssl3", ("usr/lib/a b.so",), "md5", ("0123456789abcdef0123456789abcdef",)),
    )


def test_an_apk_database() -> None:
    content = b"P:socat\nV:1\nF:usr/bin\nR:socat\n"
    assert ownership.read("lib/apk/db/installed", content) == (Ownership("socat", ("usr/bin/socat",)),)


@pytest.mark.parametrize("path", ["var/lib/dpkg/info/a.conffiles", "srv/status", "srv/a.list"])
def test_other_files_tell_nothing(path: str) -> None:
    assert not ownership.matches(path)
