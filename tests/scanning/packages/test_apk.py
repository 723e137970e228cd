"""apk databases."""

import pytest

from scanning.errors import InvalidContentError
from scanning.facts import Ownership, Package
from scanning.packages import apk

INSTALLED = "lib/apk/db/installed"

GOLDEN = b"""\
C:Q1/se1PjO94hYXbfpNR1/61hVORIc=
P:ssl_client
V:1.36.1-r29
A:x86_64
S:4846
I:14184
T:External ssl_client for busybox wget
U:https://busybox.net/
L:GPL-2.0-only
o:busybox
m:Somebody <somebody@example.org>
t:1718900000
c:1747287f5d4b3ab2ea5b6fc0e0bd1e0ac0fa2ab3
D:so:libc.musl-x86_64.so.1
p:cmd:ssl_client=1.36.1-r29
F:usr
F:usr/bin
R:ssl_client
a:0:0:755
Z:Q1thiWFKs3P7wS8ZFQNTOuN2D4Xlw=

P:alpine-baselayout-data
V:3.6.5-r0
A:x86_64
F:etc
R:passwd
R:shadow
a:0:42:640
F:
R:top

"""


def test_packages_with_origin_and_licence() -> None:
    assert apk.read(INSTALLED, GOLDEN) == (
        Package(
            "apk",
            "ssl_client",
            "1.36.1-r29",
            "busybox",
            "1.36.1-r29",
            INSTALLED,
            architecture="x86_64",
            licences=("GPL-2.0-only",),
        ),
        Package(
            "apk",
            "alpine-baselayout-data",
            "3.6.5-r0",
            "alpine-baselayout-data",
            "3.6.5-r0",
            INSTALLED,
            architecture="x86_64",
        ),
    )


def test_who_owns_which_file() -> None:
    client, *data = apk.ownership(INSTALLED, GOLDEN)
    assert client == Ownership(
        "ssl_client", ("usr/bin/ssl_client",), "sha1", ("b6189614ab373fbc12f191503533ae3760f85e5c",)
    )
    assert {(one.package, one.is_configuration): one.paths for one in data} == {
        ("alpine-baselayout-data", True): ("etc/passwd", "etc/shadow"),
        ("alpine-baselayout-data", False): ("top",),
    }


def test_virtual_packages_may_begin_with_a_dot() -> None:
    (package,) = apk.read(INSTALLED, b"P:.build-deps\nV:20240101.000000\n")
    assert package.name == ".build-deps"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\x7fELF", "no field"),
        (b"P:musl\nV\n", "no field"),
        (b"P:musl\n", "without name or version"),
        (b"V:1\n", "without name or version"),
        (b"P:musl\nP:zlib\nV:1\n", "field P twice"),
        (b"P:mu sl\nV:1\n", "no package name"),
        (b"P:musl\nV:\n", "no version"),
    ],
)
def test_t52_a_database_that_cannot_be_understood_is_refused(content: bytes, reason: str) -> None:
    with pytest.raises(InvalidContentError, match=reason):
        apk.read(INSTALLED, content)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("lib/apk/db/installed", True),
        ("usr/lib/apk/db/installed", True),
        ("lib/apk/db/scripts.tar", False),
        ("tmp/lib/apk/db/installed", False),
    ],
)
def test_which_files_it_reads(path: str, expected: bool) -> None:
    assert apk.matches(path) is expected


def test_a_digest_that_is_no_base64_is_none() -> None:
    for stated in (b"Q1\xc3\xa9", b"Q1*", b"Q1"):
        content = GOLDEN.replace(b"Q1thiWFKs3P7wS8ZFQNTOuN2D4Xlw=", stated)
        assert apk.ownership(INSTALLED, content)[0].digests in ((), ("",))
