"""os-release says what is installed, or it is told what it says instead (threat 111)."""

import pytest

from scanning.facts import OsRelease, Package
from scanning.packages.distribution import contradicted


def installed(purl_type: str, name: str, version: str) -> Package:
    """A package of this name."""
    return Package(purl_type, name, version, name, version, "database")


DEBIAN = installed("deb", "base-files", "12.4+deb12u11")
UBUNTU = installed("deb", "base-files", "13ubuntu10.2")
ALPINE = installed("apk", "alpine-release", "3.20.3-r0")
WOLFI = installed("apk", "wolfi-baselayout", "20230201-r15")
ALMA = installed("rpm", "almalinux-release", "9.4-1.el9")
ROCKY = installed("rpm", "rocky-release", "9.4-1.7.el9")
RED_HAT = installed("rpm", "redhat-release", "0:9.4-0.4.el9")


@pytest.mark.parametrize(
    ("system", "packages"),
    [
        (OsRelease("debian", "12"), [DEBIAN]),
        (OsRelease("debian"), [installed("deb", "base-files", "14")]),
        (OsRelease("debian", "8"), [installed("deb", "base-files", "8+deb8u11")]),
        (OsRelease("debian", "12"), [installed("deb", "base-files", "12.4+deb12u5+rpi1")]),
        (OsRelease("ubuntu", "24.04"), [UBUNTU]),
        (OsRelease("alpine", "3.20.3"), [ALPINE]),
        (OsRelease("alpine", "3.23.0_alpha20250612"), [installed("apk", "alpine-release", "3.23.0_alpha20250612-r0")]),
        (OsRelease("wolfi", "20230201"), [WOLFI]),
        (OsRelease("chainguard", "20230214"), [WOLFI]),
        (OsRelease("almalinux", "9.4"), [ALMA]),
        (OsRelease("rocky", "9.4"), [ROCKY]),
        (OsRelease("rhel", "9.4"), [RED_HAT]),
        (OsRelease("debian", "12"), [installed("deb", "openssl", "3")]),
        (OsRelease("kali", "2024.2"), [DEBIAN]),
        (None, [DEBIAN]),
    ],
)
def test_what_distributions_install_agrees(system: OsRelease | None, packages: list[Package]) -> None:
    assert contradicted(system, packages) is None


@pytest.mark.parametrize(
    ("system", "packages", "actual"),
    [
        (OsRelease("debian", "13"), [DEBIAN], "debian 12"),
        (OsRelease("debian", "1"), [DEBIAN], "debian 12"),
        (OsRelease("debian", "12"), [UBUNTU], "ubuntu"),
        (OsRelease("ubuntu", "22.04"), [DEBIAN], "debian 12"),
        (OsRelease("alpine", "3.2.3"), [ALPINE], "alpine 3.20"),
        (OsRelease("alpine", "3.21.0"), [ALPINE], "alpine 3.20"),
        (OsRelease("alpine", "3.20"), [WOLFI], "wolfi"),
        (OsRelease("wolfi", "20230201"), [ALPINE], "alpine 3.20"),
        (OsRelease("rocky", "9.4"), [ALMA], "almalinux 9"),
        (OsRelease("almalinux", "8.4"), [ALMA], "almalinux 9"),
        (OsRelease("rhel", "10.0"), [RED_HAT], "rhel 9"),
        (OsRelease("debian", "12"), [ALPINE, installed("deb", "openssl", "3")], "alpine 3.20"),
    ],
)
def test_t111_another_release_is_told(system: OsRelease, packages: list[Package], actual: str) -> None:
    found = contradicted(system, packages)
    assert found is not None
    assert found.actual == actual
    assert found.claimed == f"{system.id} {system.version_id}"
