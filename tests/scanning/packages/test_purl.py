"""Package URLs, as policies and people write them."""

import pytest

from config.patterns import PurlPattern
from scanning.facts import OsRelease, Package
from scanning.packages.purl import purl

DEBIAN = OsRelease("debian", "12")
ALPINE = OsRelease("alpine", "3.20.1")


def package(type_: str, name: str, version: str, architecture: str = "") -> Package:
    return Package(type_, name, version, name, version, "", architecture=architecture)


@pytest.mark.parametrize(
    ("subject", "distribution", "expected"),
    [
        (
            package("deb", "openssl", "3.0.20-1~deb12u2", "amd64"),
            DEBIAN,
            "pkg:deb/debian/openssl@3.0.20-1~deb12u2?arch=amd64&distro=debian-12",
        ),
        (
            package("apk", "musl", "1.2.5-r0", "x86_64"),
            ALPINE,
            "pkg:apk/alpine/musl@1.2.5-r0?arch=x86_64&distro=alpine-3.20.1",
        ),
        (package("deb", "dash", "1", "all"), None, "pkg:deb/dash@1?arch=all"),
        (package("deb", "dash", "1"), OsRelease("debian"), "pkg:deb/debian/dash@1"),
        (package("pypi", "jinja2", "2.10"), DEBIAN, "pkg:pypi/jinja2@2.10"),
        (package("npm", "@scope/name", "1"), DEBIAN, "pkg:npm/%40scope/name@1"),
        (package("npm", "left-pad", ""), None, "pkg:npm/left-pad"),
    ],
)
def test_canonical_form(subject: Package, distribution: OsRelease | None, expected: str) -> None:
    assert purl(subject, distribution) == expected


def test_policy_patterns_match_what_is_built() -> None:
    assert PurlPattern("pkg:deb/debian/openssh-*@1:9.*").matches(
        purl(package("deb", "openssh-client", "1:9.2p1"), DEBIAN)
    )
    assert PurlPattern("pkg:npm/@scope/*").matches(purl(package("npm", "@scope/name", "1"), None))
