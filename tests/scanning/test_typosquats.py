"""Names that are easily taken for those of other packages."""

import re
from dataclasses import replace
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.errors import ConfigurationError
from config.policy_file import load_policy
from scanning.approvals import Approval, ApprovalKind, Approvals
from scanning.facts import Package
from scanning.judge import judge
from scanning.oci.digest import Digest
from scanning.rules import names as rule
from scanning.typosquats import edit_distance, names_of
from scanning.verdict import Outcome
from tests.scanning.test_judge import NOW, OPENSSL, case, facts, policy

STRICT = policy(deny={"typosquats": {"effect": "reject"}})
NONE: frozenset[str] = frozenset()


def package(type_: str, name: str) -> Package:
    purl = f"pkg:{type_}/{name.replace('@', '%40')}@1.0"
    return replace(OPENSSL, type=type_, name=name, version="1.0", purl=purl)


@pytest.mark.parametrize(
    ("kind", "name", "meant"),
    [
        ("pypi", "requestes", "requests"),
        ("pypi", "reqeusts", "requests"),
        ("pypi", "urlib3", "urllib3"),
        ("pypi", "setup-tools", "setuptools"),
        ("pypi", "python3-dateutil", "python-dateutil"),
        ("pypi", "colourama", "colorama"),
        ("pypi", "djnago", "django"),
        ("npm", "loadsh", "lodash"),
        ("npm", "expresss", "express"),
        ("npm", "types-node", "@types/node"),
        ("npm", "@type/node", "@types/node"),
        ("npm", "crossenv", "cross-env"),
    ],
)
def test_slips_and_tricks_that_squatters_live_on(kind: str, name: str, meant: str) -> None:
    assert names_of(kind, NONE).resembled(name) == meant


@pytest.mark.parametrize("kind", ["pypi", "npm"])
def test_no_well_known_package_is_taken_for_another(kind: str) -> None:
    lines = resources.files("scanning").joinpath("names", f"{kind}.txt").read_text(encoding="utf-8").splitlines()
    listed = [line.removeprefix("=") for line in lines if not line.startswith("#")]
    assert len(listed) == len(set(listed)) > 1000
    assert {name: meant for name in listed if (meant := names_of(kind, NONE).resembled(name))} == {}


@pytest.mark.parametrize(
    ("kind", "name"),
    [("pypi", "psycopg"), ("npm", "preact"), ("pypi", "sox"), ("npm", "x" * 5000), ("npm", "")],
)
def test_what_is_real_short_or_endless_is_taken_for_nothing(kind: str, name: str) -> None:
    assert names_of(kind, NONE).resembled(name) == ""


@pytest.mark.parametrize(
    "name",
    [
        *(
            "blinker",
            "cloud-init",
            "command-not-found",
            "cupshelpers",
            "dbus-python",
            "distro-info",
            "language-selector",
        ),
        *("netifaces", "pycups", "pycurl", "pygobject", "pyparted", "python-apt", "python-debian", "python-debianbts"),
        *("reportbug", "sos", "ssh-import-id", "systemd-python", "ubuntu-drivers-common", "ufw", "unattended-upgrades"),
    ],
)
def test_what_distributions_make_of_their_own_programs_is_taken_for_nothing(name: str) -> None:
    assert names_of("pypi", NONE).resembled(name) == ""


_letters = st.text("abc", max_size=7)


@given(_letters, _letters)
def test_the_distance_is_that_of_a_definition_by_recursion(one: str, other: str) -> None:
    def distance(i: int, j: int) -> int:
        if not i or not j:
            return i + j
        best = min(
            distance(i - 1, j) + 1,
            distance(i, j - 1) + 1,
            distance(i - 1, j - 1) + (one[i - 1] != other[j - 1]),
        )
        if i > 1 and j > 1 and one[i - 1] == other[j - 2] and one[i - 2] == other[j - 1]:
            best = min(best, distance(i - 2, j - 2) + 1)
        return best

    if len(one) + len(other) <= 9:
        assert edit_distance(one, other) == distance(len(one), len(other))


@given(st.sampled_from(sorted(names_of("npm", NONE).imitated)), st.integers(0), st.sampled_from("abcxyz"), st.data())
def test_one_edit_of_a_well_known_name_is_never_missed(name: str, place: int, letter: str, data: st.DataObject) -> None:
    if len(re.sub(r"[-_./@:]", "", name)) < 5 or len(name) > 60:
        return
    at = place % len(name)
    edited = data.draw(
        st.sampled_from(
            [
                name[:at] + letter + name[at:],
                name[:at] + name[at + 1 :],
                name[:at] + letter + name[at + 1 :],
                name[:at] + name[at : at + 2][::-1] + name[at + 2 :],
            ]
        )
    )
    known = names_of("npm", NONE)
    assert known.resembled(edited) or known.knows(edited)


def test_the_reason_names_what_was_likely_meant() -> None:
    verdict = judge(case(facts(packages=(package("pypi", "reqeusts"), package("pypi", "requests")))), STRICT, NOW)
    (refused,) = verdict.violations
    assert refused.sentence == (
        "reqeusts 1.0 in var/lib/dpkg/status: its name is easily taken for requests, a well-known package of pypi"
        " [deny.typosquats]; use requests if that is what was meant, or ask an admin to vet this one: imagegate image"
        " vet IMAGE"
    )


def test_names_of_the_policy_are_imitated_too_in_any_ecosystem() -> None:
    image = case(facts(packages=(package("gem", "railss"), package("npm", "@exampel/app"))))
    assert judge(image, STRICT, NOW).outcome is Outcome.ADMIT
    named = policy(deny={"typosquats": {"names": ["pkg:gem/rails", "pkg:npm/@example/app"]}})
    assert [one.subject for one in judge(image, named, NOW).violations] == ["railss 1.0", "@exampel/app 1.0"]


def test_what_an_admin_approved_or_the_policy_exempts_or_waives_is_what_it_seems_to_be() -> None:
    image = case(facts(packages=(package("pypi", "reqeusts"),)))
    exempt = policy(deny={"typosquats": {"exempt": ["pkg:pypi/reqeusts@<2"]}})
    assert judge(image, exempt, NOW).outcome is Outcome.ADMIT
    approval = Approval("a", ApprovalKind.PACKAGES, "a list", policy().rules[0].repositories, Digest.of(b"x"))
    vetted = Approvals(Digest.of(b"y"), b"y", (), ((approval, frozenset({"pkg:pypi/reqeusts@1.0"})),))
    assert judge(replace(image, approvals=vetted), STRICT, NOW).outcome is Outcome.ADMIT
    newer = facts(packages=(replace(package("pypi", "reqeusts"), version="1.1", purl="pkg:pypi/reqeusts@1.1"),))
    assert judge(replace(image, approvals=vetted, facts=newer), STRICT, NOW).outcome is Outcome.REJECT


def test_names_beyond_the_bound_are_refused_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rule, "_MOST_COMPARED", 2)
    many = tuple(package("npm", f"some-package-{number}") for number in range(4))
    verdict = judge(case(facts(packages=(*many, package("npm", "express")))), STRICT, NOW)
    assert [one.subject for one in verdict.violations] == ["some-package-2 1.0", "some-package-3 1.0"]


def test_a_name_that_is_no_name_is_told_with_its_line() -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_policy(
            "version: 1\nrules:\n  - repositories: ['**']\n    deny:\n      typosquats:\n        names:\n"
            "          - rails\n          - pkg:gem/rails@7\n",
            "p.yaml",
        )
    assert "p.yaml:7:" in str(caught.value)
    assert "p.yaml:8:" in str(caught.value)
