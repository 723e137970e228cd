"""Ranges of versions in purl patterns (VERS)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from univers.version_range import VersionRange as OtherRange
from univers.versions import SemverVersion

from config.errors import ConfigurationError, InvalidPatternError
from config.patterns import PurlPattern
from config.policy_file import load_policy
from config.version_ranges import VersionRange


@pytest.mark.parametrize(
    ("pattern", "purl", "expected"),
    [
        ("pkg:deb/debian/openssl@>=3.0.15|<4", "pkg:deb/debian/openssl@3.0.15-1~deb12u1?arch=amd64", True),
        ("pkg:deb/debian/openssl@>=3.0.15|<4", "pkg:deb/debian/openssl@3.0.9-1", False),
        ("pkg:deb/debian/openssl@>=3.0.15|<4", "pkg:deb/debian/openssl@4.0.0-1", False),
        ("pkg:deb/debian/openssl@>=3.0.15|<4", "pkg:deb/debian/openssl@1:3.0.16-1", False),
        ("pkg:deb/debian/git@>=1:2.39", "pkg:deb/debian/git@1%3A2.47.3-0%2Bdeb13u1", True),
        ("pkg:deb/debian/git@>=1%3A2.39", "pkg:deb/debian/git@1%3A2.30.1-1", False),
        ("pkg:deb/debian/openssl@vers:deb/>=3.0.15|<4", "pkg:deb/debian/openssl@3.0.15-1~deb12u1", True),
        ("pkg:deb/debian/*@<2.0|>=2.3|!=2.5", "pkg:deb/debian/x@1.0", True),
        ("pkg:deb/debian/*@<2.0|>=2.3|!=2.5", "pkg:deb/debian/x@2.1", False),
        ("pkg:deb/debian/*@<2.0|>=2.3|!=2.5", "pkg:deb/debian/x@2.5", False),
        ("pkg:deb/debian/*@<2.0|>=2.3|!=2.5", "pkg:deb/debian/x@2.5-1", True),
        ("pkg:npm/@angular/core@>=17.0.0|<18", "pkg:npm/%40angular/core@17.3.12", True),
        ("pkg:npm/@angular/core@>=17.0.0|<18", "pkg:npm/%40angular/core@9.1.0", False),
        ("pkg:npm/@angular/core@vers:npm/>=17.0.0|<18", "pkg:npm/%40angular/core@18.0.0", False),
        ("pkg:npm/x@1.0.0|1.2.0", "pkg:npm/x@1.2.0", True),
        ("pkg:npm/x@1.0.0|1.2.0", "pkg:npm/x@1.1.0", False),
        ("pkg:npm/x@!=1.2.0", "pkg:npm/x@1.1.0", True),
        ("pkg:npm/x@!=1.2.0", "pkg:npm/x@1.2.0", False),
        ("pkg:pypi/requests@>=2.31|<3", "pkg:pypi/requests@2.32.4", True),
        ("pkg:pypi/requests@>=2.31|<3", "pkg:pypi/requests@2.31rc1", False),
        ("pkg:golang/golang.org/x/crypto@>=0.31.0", "pkg:golang/golang.org/x/crypto@v0.9.0", False),
        ("pkg:golang/golang.org/x/crypto@>=0.31.0", "pkg:golang/golang.org/x/crypto@v0.41.0", True),
        ("pkg:apk/alpine/musl@vers:alpine/>=1.2.5", "pkg:apk/alpine/musl@1.2.5-r9?arch=x86_64", True),
        ("pkg:maven/org.apache.logging.log4j/*@>=2.17.1", "pkg:maven/org.apache.logging.log4j/log4j-core@2.3", False),
        ("pkg:rpm/**@>=1:3.0.7", "pkg:rpm/almalinux/openssl@3.0.7-27.el9?arch=x86_64&epoch=1", True),
        ("pkg:rpm/**@>=1:3.0.7", "pkg:rpm/almalinux/openssl@3.0.7-27.el9?arch=x86_64", False),
        ("pkg:deb/**@<2?arch=arm*", "pkg:deb/debian/x@1?arch=arm64", True),
        ("pkg:deb/**@<2?arch=arm*", "pkg:deb/debian/x@1?arch=amd64", False),
    ],
)
def test_a_range_is_read_in_the_order_of_the_ecosystem(pattern: str, purl: str, expected: bool) -> None:
    assert PurlPattern(pattern).matches(purl) is expected


def test_a_version_that_cannot_be_compared_is_never_vetted_and_never_slips_through_a_denial() -> None:
    pattern = PurlPattern("pkg:pypi/requests@<2.31")
    for version in ("@nonsense", "@2.x-1!", ""):
        assert not pattern.matches(f"pkg:pypi/requests{version}")
        assert pattern.may_match(f"pkg:pypi/requests{version}")
    assert not pattern.may_match("pkg:pypi/requests@2.32.0")
    assert not pattern.may_match("pkg:pypi/flask@nonsense")


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("pkg:deb/debian/x@>=1,<2", "separate constraints with | and not with a comma"),
        ("pkg:deb/debian/x@>=1|", "'' in the range '>=1|' is no constraint"),
        ("pkg:deb/debian/x@>=1.*", "without spaces and wildcards"),
        ("pkg:deb/debian/x@>= 1", "without spaces and wildcards"),
        ("pkg:deb/debian/x@>>1", "is no constraint"),
        ("pkg:deb/debian/x@>=1_0", "'1_0' is not a Debian version"),
        ("pkg:npm/x@>=banana", "'banana' is not a semantic version"),
        ("pkg:deb/debian/x@vers:npm/>=1", "orders versions as npm does, and the pattern is about deb"),
        ("pkg:generic/nginx@>=1.25", "nothing is known of the order of generic versions"),
        ("pkg:deb/debian/x@>=1|>=2", ">=2 follows >=1, so one of them says nothing"),
        ("pkg:deb/debian/x@<1|<2", "<2 follows <1, so one of them says nothing"),
        ("pkg:deb/debian/x@>=1.0|<1.00", "names the version 1.0 twice"),
    ],
)
def test_a_range_that_cannot_be_meant_is_refused_in_one_sentence(pattern: str, reason: str) -> None:
    with pytest.raises(InvalidPatternError) as caught:
        PurlPattern(pattern)
    assert reason in str(caught.value)


_numbers = st.integers(0, 9)


@given(st.dictionaries(_numbers, st.sampled_from([">=", ">", "<", "<=", "=", "!="]), min_size=1, max_size=5), _numbers)
def test_ranges_mean_what_another_reader_of_the_notation_says(constraints: dict[int, str], number: int) -> None:
    text = "|".join(f"{comparator}{version}.0.0" for version, comparator in constraints.items())
    try:
        ours = VersionRange.parse(text, "npm")
    except InvalidPatternError:
        return  # one of the constraints says nothing
    if set(constraints.values()) <= {"!=", "="} and "!=" in constraints.values():
        return  # where nothing but single versions are excluded, the other reader takes in none at all
    along = sorted(text.split("|"), key=lambda one: one.strip("<>=!"))
    other = OtherRange.from_string(f"vers:npm/{'|'.join(along)}")  # type: ignore[no-untyped-call]  # it types nothing
    assert ours.holds(f"{number}.0.0") is (SemverVersion(f"{number}.0.0") in other)


def test_a_mistake_in_a_range_is_told_with_its_line() -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_policy(
            "version: 1\nrules:\n  - repositories: ['**']\n    deny:\n      packages:\n"
            "        purls:\n          - pkg:npm/a@<2\n          - pkg:npm/b@<2,>1\n",
            "p.yaml",
        )
    assert "p.yaml:8:" in str(caught.value)
    assert "rules[0].deny.packages.purls[1]" in str(caught.value)
