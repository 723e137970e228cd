"""dpkg databases: what is installed, from which source, and what makes a database one that cannot be understood."""

from pathlib import Path

import pytest

from scanning.errors import InvalidContentError
from scanning.facts import Package
from scanning.packages import dpkg

STATUS = "var/lib/dpkg/status"

GOLDEN = b"""\
Package: openssh-client
Status: install ok installed
Priority: standard
Section: net
Maintainer: Debian OpenSSH Maintainers <debian-ssh@lists.debian.org>
Architecture: amd64
Multi-Arch: foreign
Source: openssh
Version: 1:9.2p1-2+deb12u6
Conffiles:
 /etc/ssh/ssh_config 35f3f0f8a5a2d4a4c7bd7e50e2a0d2bf
Description: secure shell (SSH) client, for secure access to remote machines
 This is the portable version of OpenSSH.
 .
 Package: not-a-package
Homepage: https://www.openssh.com/

Package: libcrypt1
Status: install ok installed
Architecture: amd64
Source: libxcrypt (1:4.4.33-2)
Version: 1:4.4.33-2+b1
Description: libcrypt shared library

Package: exim4-base
Status: deinstall ok config-files
Architecture: amd64
Version: 4.96-15
Description: left its configuration behind
"""


def status(*lines: str) -> bytes:
    return ("\n".join(lines) + "\n").encode()


def test_installed_packages_with_their_sources() -> None:
    assert dpkg.read(STATUS, GOLDEN) == (
        Package(
            "deb", "openssh-client", "1:9.2p1-2+deb12u6", "openssh", "1:9.2p1-2+deb12u6", STATUS, architecture="amd64"
        ),
        Package("deb", "libcrypt1", "1:4.4.33-2+b1", "libxcrypt", "1:4.4.33-2", STATUS, architecture="amd64"),
    )


def test_a_package_without_source_is_its_own() -> None:
    (package,) = dpkg.read(STATUS, status("Package: dash", "Status: install ok installed", "Version: 0.5.12-2"))
    assert (package.source_name, package.source_version) == ("dash", "0.5.12-2")


@pytest.mark.parametrize(
    ("state", "present"),
    [
        ("install ok installed", True),
        ("hold ok installed", True),
        ("deinstall ok installed", True),
        ("install reinstreq half-installed", True),
        ("install ok unpacked", True),
        ("install ok half-configured", True),
        ("install ok triggers-awaited", True),
        ("install ok triggers-pending", True),
        ("install ok something-new", True),
        ("deinstall ok config-files", False),
        ("purge ok not-installed", False),
    ],
)
def test_whatever_has_files_on_the_disk_counts(state: str, present: bool) -> None:
    found = dpkg.read(STATUS, status("Package: dash", f"Status: {state}", "Version: 0.5.12-2"))
    assert bool(found) is present


def test_a_fragment_has_no_status_and_is_installed() -> None:
    path = "var/lib/dpkg/status.d/tzdata"
    (package,) = dpkg.read(path, status("Package: tzdata", "Version: 2024a-0+deb12u1", "Architecture: all"))
    assert (package.name, package.path) == ("tzdata", path)


def test_field_names_have_no_case_and_lines_may_end_as_on_windows() -> None:
    (package,) = dpkg.read(STATUS, b"package: dash\r\nVERSION: 1\r\n\r\n")
    assert (package.name, package.version) == ("dash", "1")


def test_bytes_that_are_not_utf8_in_a_description_do_no_harm() -> None:
    (package,) = dpkg.read(STATUS, status("Package: dash", "Version: 1") + b"Maintainer: Andr\xe9\n")
    assert package.name == "dash"


def test_an_empty_database_holds_nothing() -> None:
    assert dpkg.read(STATUS, b"") == ()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"SQLite format 3\0", "no field"),
        (b"Package dash\n", "no field"),
        (b"Pack age: dash\n", "no field"),
        (b" continued\n", "continues a field"),
        (status("Package: dash", "Package: bash", "Version: 1"), "'Package' twice"),
        (status("Package: dash", "Version: 1", "version: 2"), "'version' twice"),
        (status("Package: dash", "Status: install ok installed"), "without name or version"),
        (status("Version: 1"), "without name or version"),
        (status("Package: dash", "Status: installed", "Version: 1"), "not three words"),
        (status("Package: da sh", "Version: 1"), "no package name"),
        (status("Package: dash", "Version: 1 2"), "no version"),
        (status("Package: dash", "Version: 1\x1b[31m"), "no version"),
        (status("Package: dash", "Version: 1", "Source: a (b"), "not `name (version)`"),
    ],
)
def test_t52_a_database_that_cannot_be_understood_is_refused(content: bytes, reason: str) -> None:
    with pytest.raises(InvalidContentError) as refusal:
        dpkg.read(STATUS, content)
    assert reason in str(refusal.value)
    assert str(refusal.value).startswith(STATUS)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("var/lib/dpkg/status", True),
        ("var/lib/dpkg/status.d/base", True),
        ("var/lib/dpkg/status.d/base.md5sums", False),
        ("var/lib/dpkg/status.d/a/b", False),
        ("var/lib/dpkg/status-old", False),
        ("var/lib/dpkg/available", False),
        ("rootfs/var/lib/dpkg/status", False),
    ],
)
def test_which_files_it_reads(path: str, expected: bool) -> None:
    assert dpkg.matches(path) is expected


@pytest.mark.real
def test_the_database_of_a_real_system() -> None:
    database = Path("/var/lib/dpkg/status")
    if not database.exists():
        pytest.skip("this is no Debian system: /var/lib/dpkg/status is missing")
    packages = {package.name: package for package in dpkg.read(STATUS, database.read_bytes())}
    assert packages["dpkg"].source_name == "dpkg"
    assert packages["libc6"].source_name == "glibc"
