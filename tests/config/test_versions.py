"""The order of versions, ecosystem by ecosystem."""

import re
import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.versions import MAX_LENGTH, InvalidVersionError, compare, compare_packages

_SIGNS = {"<": -1, "=": 0, ">": 1}


def _check(ecosystem: str, line: str) -> None:
    one, sign, other = line.split()
    assert compare(ecosystem, one, other) == _SIGNS[sign]
    assert compare(ecosystem, other, one) == -_SIGNS[sign]


@pytest.mark.parametrize(
    "line",
    [
        "1.0 < 1.1",
        "1.9 < 1.10",
        "1.0~rc1 < 1.0",
        "1.0~~ < 1.0~",
        "1.0 < 1.0a",
        "1.0a < 1.0+",
        "1.0-1 < 1.0-1+b1",
        "1.0 = 1.0-0",
        "1.01 = 1.1",
        "9.9 < 1:0.1",
        "0:1.0 = 1.0",
        "1:2:3 > 1:2",
        "1:2:3-1 < 1:2:3-2",
        "3.0.20-1~deb12u2 < 3.0.22-1~deb12u2",
        "3.0.22-1~deb12u2 < 3.0.22-1",
        "1-2-3 < 1-3-1",
    ],
)
def test_debian_order(line: str) -> None:
    _check("Debian", line)
    _check("Ubuntu", line)


@pytest.mark.parametrize(
    "version", ["", " 1", "1 ", "a:1", ":1", "1:", "1-", "-1", "1_2", "1\n", "2147483648:1", "+0:1", "é"]
)
def test_what_is_no_debian_version_is_refused(version: str) -> None:
    with pytest.raises(InvalidVersionError):
        compare("Debian", version, "1.0")


# dpkg reads an epoch with C's strtol, which takes a sign that deb-version(7) does not.
_SIGNED_EPOCH = re.compile(r"[+-][0-9]*:.*|-.*")
_DEBIAN_TEXT = st.text("0129aAzZ.+~:-", min_size=1, max_size=12).filter(lambda text: not _SIGNED_EPOCH.fullmatch(text))
_DEBIAN_VERSION = st.builds(
    "".join,
    st.tuples(
        st.sampled_from(["", "0:", "1:", "12:"]),
        st.text("0123456789", min_size=1, max_size=3),
        st.text("0129aAz.+~-", max_size=8),
        st.from_regex(r"(-[0-9a-z.+~]{1,6})?", fullmatch=True),
    ),
)


@pytest.mark.skipif(not shutil.which("dpkg"), reason="dpkg, the authority on Debian's order, is not installed")
@settings(max_examples=150)
@given(_DEBIAN_VERSION | _DEBIAN_TEXT, _DEBIAN_VERSION | _DEBIAN_TEXT)
def test_debian_order_is_dpkgs(one: str, other: str) -> None:
    dpkg = {sign: _dpkg(one, operator, other) for sign, operator in ((-1, "lt"), (0, "eq"), (1, "gt"))}
    try:
        order = compare("Debian", one, other)
    except InvalidVersionError:
        # dpkg only warns of a colon in a revision.
        assert any("bad syntax" in message for _, message in dpkg.values())
        return
    assert [sign for sign, (holds, _) in dpkg.items() if holds] == [order]


def _dpkg(one: str, operator: str, other: str) -> tuple[bool, str]:
    done = subprocess.run(
        ["dpkg", "--compare-versions", "--", one, operator, other], capture_output=True, text=True, check=False
    )
    return done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "line",
    [
        "1.2 < 1.10",
        "006 > 1.0.0",
        "1.06-r6 < 006",
        "1.02.07 < 1.02.10-r1",
        "1.06 < 1.1",
        "0.98 < 1.00",
        "1.00_beta2 > 0.9.2",
        "1.2.07.8 < 1.2.12.04",
        "1.0_alpha < 1.0_beta",
        "1.0_rc3 < 1.0",
        "1.0_alpha_pre2 < 1.0_alpha",
        "1.0_alpha < 1.0_alpha2",
        "1.0 < 1.0_git20200101",
        "1.0_git1 < 1.0_p1",
        "1.0 < 1.0a",
        "1.0a < 1.0.1",
        "1.0 < 1.0-r0",
        "1.0-r9 < 1.0-r10",
        "1.0_p9-r0 < 1.0_p10-r0",
        "1.0~abc = 1.0~abc",
        "1.0~abc < 1.0~abd",
        "1.0 < 1.0~abc",
        "6b-r7 > 1.12-r7",
    ],
)
def test_alpine_order(line: str) -> None:
    _check("Alpine", line)
    _check("Wolfi", line)


@pytest.mark.parametrize("version", ["", "a", "1.0bc", "1_foo", "1-1", "1-r", "1.", "1.0 ", "1.0~xyz", "1.0-r1_p1"])
def test_what_is_no_alpine_version(version: str) -> None:
    with pytest.raises(InvalidVersionError):
        compare("Alpine", version, "1.0")


@pytest.mark.parametrize(
    "line",
    [
        "2.10 > 2.9",
        "2.10 = 2.10.0",
        "1.0rc1 < 1.0",
        "1.0.dev1 < 1.0a1",
        "1.0 < 1.0.post1",
        "1!0.1 > 2024.1",
        "1.0+cu118 > 1.0",
    ],
)
def test_python_order(line: str) -> None:
    _check("PyPI", line)


@pytest.mark.parametrize(
    "line",
    [
        "1.2.3 < 1.10.0",
        "1.0.0-alpha < 1.0.0-alpha.1",
        "1.0.0-alpha.1 < 1.0.0-alpha.beta",
        "1.0.0-beta.2 < 1.0.0-beta.11",
        "1.0.0-rc.1 < 1.0.0",
        "1.0.0+one = 1.0.0+two",
        "1.2 = 1.2.0",
    ],
)
def test_npm_order(line: str) -> None:
    _check("npm", line)
    _check("Go", line)


@pytest.mark.parametrize(
    "line",
    [
        "v1.2.3 = 1.2.3",
        "v0.0.0-20200101000000-abcdef123456 < 0.0.1",
        "v2.0.0+incompatible = 2.0.0",
        "go1.21.3 = 1.21.3",
        "go1.21rc2 < 1.21.0",
        "1.21.0-0 < go1.21rc2",
    ],
)
def test_go_order(line: str) -> None:
    _check("Go", line)


@pytest.mark.parametrize("version", ["", "v1.0.0", "1.x", "1.0.0-", "1.0.0-é", "latest", "1.2.3.4"])
def test_what_is_no_semantic_version(version: str) -> None:
    with pytest.raises(InvalidVersionError):
        compare("npm", version, "1.0.0")


@pytest.mark.parametrize("ecosystem", ["Debian", "Alpine", "PyPI", "npm", "Go"])
def test_endless_versions_are_refused(ecosystem: str) -> None:
    with pytest.raises(InvalidVersionError, match=str(MAX_LENGTH)):
        compare(ecosystem, "1" * 5000, "1")


def test_an_ecosystem_nobody_can_order_is_refused() -> None:
    with pytest.raises(InvalidVersionError, match="Hackage"):
        compare("Hackage", "1", "1")


@pytest.mark.parametrize("ecosystem", ["Debian", "Alpine", "PyPI", "npm", "Go"])
@given(st.text(max_size=20), st.text(max_size=20))
def test_any_text_is_ordered_one_way_or_refused(ecosystem: str, one: str, other: str) -> None:
    try:
        order = compare(ecosystem, one, other)
    except InvalidVersionError:
        return
    assert order == -compare(ecosystem, other, one)


@pytest.mark.parametrize(
    "line",
    [
        "1.0-1 < 1.0-2",
        "1.0-1.el9 < 1.0-1.el9_1",
        "5.1.8-6.el9 < 5.1.8-6.el9_1",
        "2:1.0-1 > 9.9-1",
        "0:1.0-1 = 1.0-1",
        "1.0~rc1-1 < 1.0-1",
        "1.0^git1-1 > 1.0-1",
        "1.0^git1-1 < 1.0.1-1",
        "1.05-1 = 1.5-1",
        "1.0a-1 > 1.0-1",
        "1.0 = 1.0-7",
        "3.0.7-24.el9 < 3.0.7-25.el9_3",
    ],
)
@pytest.mark.parametrize("ecosystem", ["AlmaLinux", "Rocky Linux", "Red Hat"])
def test_rpm_order(ecosystem: str, line: str) -> None:
    _check(ecosystem, line)


@pytest.mark.skipif(not shutil.which("rpm"), reason="rpm, the authority on its order, is not installed")
@settings(max_examples=60)
@given(*[st.from_regex(r"[0-9a-z]{1,3}([.~^_+]?[0-9a-z]{1,3}){0,3}", fullmatch=True)] * 2)
def test_rpm_order_is_rpms(one: str, other: str) -> None:
    macro = f'%{{lua:print(rpm.vercmp("{one}", "{other}"))}}'
    done = subprocess.run(["rpm", "--eval", macro], capture_output=True, text=True, check=True)
    assert compare("Red Hat", f"{one}-1", f"{other}-1") == int(done.stdout)


@pytest.mark.parametrize("version", ["", "(none):1-1", "1 0-1", "1-1-1", ":1-1", "1-"])
def test_what_is_no_rpm_version_is_refused(version: str) -> None:
    with pytest.raises(InvalidVersionError):
        compare("AlmaLinux", version, "1.0-1")


@pytest.mark.parametrize(
    ("ecosystem", "line"),
    [
        ("RubyGems", "1.0.a < 1.0"),
        ("RubyGems", "1.0 = 1.0.0"),
        ("RubyGems", "5.0.0.1 > 5.0.0"),
        ("RubyGems", "1.0.rc1 < 1.0.rc2"),
        ("NuGet", "1.0 = 1.0.0.0"),
        ("NuGet", "1.0.0.1 > 1.0.0"),
        ("NuGet", "1.0.0-BETA = 1.0.0-beta"),
        ("NuGet", "1.0.0-beta.2 < 1.0.0-beta.11"),
        ("NuGet", "01.0.0 = 1.0.0+build"),
        ("Packagist", "v1.2 = 1.2.0.0"),
        ("Packagist", "1.0.0-alpha1 < 1.0.0-beta1"),
        ("Packagist", "1.0.0-beta2 < 1.0.0-beta10"),
        ("Packagist", "1.0.0-RC1 < 1.0.0"),
        ("Packagist", "1.0.0-dev < 1.0.0-alpha"),
        ("Packagist", "1.0.0 < 1.0.0-p1"),
        ("Packagist", "1.0b1 = 1.0.0-beta1"),
        ("Maven", "1.0-SNAPSHOT < 1.0"),
        ("Maven", "1.0-alpha-1 < 1.0-beta-1"),
        ("Maven", "1.0-rc1 < 1.0"),
        ("Maven", "1.0.Final = 1.0"),
        ("Maven", "1.0.RELEASE = 1.0"),
        ("Maven", "2.17.1 > 2.9.1"),
        ("Maven", "31.1-jre > 30.1-jre"),
        ("CRAN", "7.3-58.2 < 7.3-60"),
        ("CRAN", "1.0.10 > 1.0.9"),
        ("CRAN", "1.0-1 = 1.0.1"),
    ],
)
def test_the_order_of_languages(ecosystem: str, line: str) -> None:
    _check(ecosystem, line)


@pytest.mark.parametrize(
    ("ecosystem", "version"),
    [
        ("Maven", "a b"),
        ("RubyGems", "a b"),
        ("NuGet", "1.2.3.4.5"),
        ("Packagist", "dev-main"),
        ("Packagist", "1.x-dev"),
        ("Packagist", "1.0-\u017ftable"),  # a long s, which is an s where case does not matter
        ("CRAN", "1.0a"),
    ],
)
def test_what_has_no_place_in_the_order_is_refused(ecosystem: str, version: str) -> None:
    with pytest.raises(InvalidVersionError):
        compare(ecosystem, version, "1.0")


@pytest.mark.timeout(60)  # backtracking would outlast the universe, and hold up the whole process
@pytest.mark.parametrize(("ecosystem", "unit"), [("Maven", "a"), ("Packagist", "beta1"), ("Packagist", "1")])
def test_t56_no_version_takes_long_to_be_refused(ecosystem: str, unit: str) -> None:
    long = f"1.0{unit}".ljust(MAX_LENGTH - 1, unit[-1]) + "~"
    with pytest.raises(InvalidVersionError):
        compare(ecosystem, long, "1.0")


@pytest.mark.parametrize("line", ["1.2.3 < 1.2.3-0", "1.2.3-4 < 1.2.3-10", "1.2.3-10 < 1.2.4-0", "1.2.3-rc1 < 1.2.3"])
def test_bitnami_revisions_come_after_the_release(line: str) -> None:
    one, _, other = line.split()
    assert compare_packages("bitnami", one, other) == -1
    assert compare_packages("bitnami", other, one) == 1
    assert compare_packages("bitnami", one, one) == 0
