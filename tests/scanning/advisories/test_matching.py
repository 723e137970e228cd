"""From packages and advisories to findings a person can act on."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import pytest

from config.vocabulary import Severity
from scanning.advisories.ecosystems import Key
from scanning.advisories.matching import keys, match
from scanning.advisories.model import AdvisoryBasis, AdvisoryReport, Finding
from scanning.advisories.osv import Advisory
from scanning.facts import OsRelease, Package
from tests.scanning.advisories.records import BOOKWORM, advisory, affected, deb, fixed, python

_BASIS = AdvisoryBasis(
    ecosystems=("Alpine", "Debian", "PyPI", "Ubuntu", "Wolfi", "npm"),
    releases=("Alpine:v3.20", "Debian:11", "Debian:12", "Ubuntu:22.04:LTS", "Ubuntu:24.10"),
)


def _match(
    packages: Sequence[Package],
    *advisories: Advisory,
    distribution: OsRelease | None = BOOKWORM,
    basis: AdvisoryBasis = _BASIS,
) -> AdvisoryReport:
    index: dict[Key, list[Advisory]] = defaultdict(list)
    for one in advisories:
        for key in {(entry.ecosystem, entry.package) for entry in one.affected}:
            index[key].append(one)
    return match(packages, distribution, index, basis)


def _found(report: AdvisoryReport) -> list[tuple[str, str, str, str]]:
    return [(one.name, one.package, one.version, one.fixed_version) for one in report.findings]


def test_a_finding_names_everything_a_person_needs() -> None:
    report = _match(
        [deb("openssl", "3.0.20-1")],
        advisory(
            "DEBIAN-CVE-2026-1000",
            affected("Debian:12", "openssl", fixed("3.0.22-1")),
            upstream=["CVE-2026-1000"],
            summary="A flaw",
        ),
    )

    assert report.findings == (
        Finding(
            advisory="DEBIAN-CVE-2026-1000",
            aliases=("CVE-2026-1000",),
            purl="pkg:deb/debian/openssl@3.0.20-1",
            package="openssl",
            version="3.0.20-1",
            severity=Severity.UNRATED,
            fixed_version="3.0.22-1",
            summary="A flaw",
        ),
    )
    assert report.unmatched == ()


def test_debian_is_matched_by_source_name_and_source_version() -> None:
    packages = [deb("libgcc-s1", "12.2.0-14", source="gcc-12", source_version="12.2.0-13")]
    flaw = advisory("DSA-1-1", affected("Debian:12", "gcc-12", fixed("12.2.0-14")))

    assert _found(_match(packages, flaw)) == [("DSA-1-1", "libgcc-s1", "12.2.0-13", "12.2.0-14")]


def test_one_source_gives_one_finding_however_many_binaries() -> None:
    packages = [deb("libssl3", "3.0.20-1", "openssl"), deb("libssl-dev", "3.0.20-1", "openssl")]
    flaw = advisory("DSA-1-1", affected("Debian:12", "openssl", fixed("3.0.22-1")))

    assert _found(_match(packages, flaw)) == [("DSA-1-1", "libssl-dev", "3.0.20-1", "3.0.22-1")]
    assert _found(_match([*packages, deb("openssl", "3.0.20-1")], flaw)) == [
        ("DSA-1-1", "openssl", "3.0.20-1", "3.0.22-1")
    ]


def test_another_release_says_nothing() -> None:
    flaw = advisory("DSA-1-1", affected("Debian:11", "openssl", fixed("9")))

    assert _match([deb("openssl", "3.0.20-1")], flaw).findings == ()


def test_an_advisory_about_several_cves_gives_one_finding_each() -> None:
    both = advisory("DSA-1-1", affected("Debian:12", "x", fixed("2")), upstream=["CVE-2026-1000", "CVE-2026-1001"])

    report = _match([deb("x", "1")], both)

    assert [(one.advisory, one.aliases) for one in report.findings] == [
        ("DSA-1-1", ("CVE-2026-1000",)),
        ("DSA-1-1", ("CVE-2026-1001",)),
    ]


def test_several_advisories_for_one_cve_become_one_finding() -> None:
    erratum = advisory(
        "DSA-1-1",
        affected("Debian:12", "x", fixed("2.1")),
        upstream=["CVE-2026-1000", "CVE-2026-1001"],
        summary="x - security update",
    )
    entry = advisory(
        "DEBIAN-CVE-2026-1000",
        affected("Debian:12", "x", fixed("2.0"), ecosystem_specific={"urgency": "high"}),
        upstream=["CVE-2026-1000"],
    )

    first, second = _match([deb("x", "1")], erratum, entry).findings

    assert first.advisory == "DEBIAN-CVE-2026-1000"
    assert first.aliases == ("CVE-2026-1000", "DSA-1-1")
    assert first.severity is Severity.HIGH
    assert first.fixed_version == "2.1"
    assert first.summary == "x - security update"
    assert second.aliases == ("CVE-2026-1001",)


def test_a_source_that_knows_no_fix_does_not_hide_the_fix_another_knows() -> None:
    open_ended = advisory(
        "DEBIAN-CVE-2026-1000", affected("Debian:12", "x", [{"introduced": "0"}]), upstream=["CVE-2026-1000"]
    )
    fixing = advisory("DSA-1-1", affected("Debian:12", "x", fixed("2")), upstream=["CVE-2026-1000"])

    assert _found(_match([deb("x", "1")], open_ended, fixing)) == [("CVE-2026-1000", "x", "1", "2")]


def test_records_that_alias_each_other_are_one_finding_without_a_cve_too() -> None:
    one = advisory("PYSEC-2026-1", affected("PyPI", "x", fixed("2")), aliases=["GHSA-aaaa"])
    other = advisory("GHSA-aaaa", affected("PyPI", "x", fixed("2.0")), aliases=["PYSEC-2026-1"])

    (finding,) = _match([python("x", "1")], one, other).findings

    assert (finding.advisory, finding.aliases) == ("GHSA-aaaa", ("PYSEC-2026-1",))


def test_certainty_wins_over_doubt_for_one_cve() -> None:
    doubtful = advisory("GHSA-aaaa", affected("PyPI", "x", fixed("??")), aliases=["CVE-2026-1000"])
    certain = advisory("PYSEC-2026-1", affected("PyPI", "x", fixed("2")), aliases=["CVE-2026-1000"])

    assert "PEP 440" in _match([python("x", "1")], doubtful).findings[0].uncertain
    assert _match([python("x", "1")], doubtful, certain).findings[0].uncertain == ""


def test_withdrawn_advisories_do_not_count() -> None:
    gone = advisory("PYSEC-1", affected("PyPI", "x", fixed("2")), withdrawn="2026-02-02T00:00:00Z")

    assert _match([python("x", "1")], gone).findings == ()


def test_a_malicious_package_is_known_as_that_whichever_advisory_tells_most() -> None:
    attack = advisory(
        "MAL-2026-1", affected("PyPI", "x", [{"introduced": "0"}]), aliases=["CVE-2026-1000", "GHSA-aaaa"]
    )
    flaw = advisory("GHSA-aaaa", affected("PyPI", "x", fixed("2")), aliases=["CVE-2026-1000"])
    other = advisory("GHSA-bbbb", affected("PyPI", "x", fixed("2")), aliases=["CVE-2026-1001"])

    found = {one.name: one for one in _match([python("x", "1")], attack, flaw, other).findings}

    assert (found["CVE-2026-1000"].advisory, found["CVE-2026-1000"].malicious) == ("GHSA-aaaa", ("MAL-2026-1",))
    assert found["CVE-2026-1000"].severity is Severity.CRITICAL
    assert found["CVE-2026-1001"].malicious == ()


def test_a_malicious_version_alone_is_one_finding() -> None:
    attack = advisory("MAL-2026-1", affected("PyPI", "x", versions=["1.0.1"]))

    assert [one.malicious for one in _match([python("x", "1.0.1")], attack).findings] == [("MAL-2026-1",)]
    assert _match([python("x", "1.0.2")], attack).findings == ()


def test_the_worst_comes_first() -> None:
    mild = advisory("GHSA-a", affected("PyPI", "a", fixed("2")), database_specific={"severity": "LOW"})
    bad = advisory("GHSA-b", affected("PyPI", "b", fixed("2")), database_specific={"severity": "HIGH"})

    assert [one.package for one in _match([python("a", "1"), python("b", "1")], mild, bad).findings] == ["b", "a"]


def test_the_same_package_in_two_versions_is_judged_twice() -> None:
    flaw = advisory("PYSEC-1", affected("PyPI", "x", fixed("3")))

    assert [one.version for one in _match([python("x", "1"), python("x", "2"), python("x", "3")], flaw).findings] == [
        "1",
        "2",
    ]


@pytest.mark.parametrize(
    ("kind", "distribution", "release"),
    [
        ("deb", OsRelease("debian", "12"), "Debian:12"),
        ("deb", OsRelease("debian", "12.5"), "Debian:12"),
        ("deb", OsRelease("ubuntu", "22.04"), "Ubuntu:22.04:LTS"),
        ("deb", OsRelease("ubuntu", "24.10"), "Ubuntu:24.10"),
        ("apk", OsRelease("alpine", "3.20.3"), "Alpine:v3.20"),
        ("apk", OsRelease("wolfi", "20230201"), "Wolfi"),
        ("npm", None, "npm"),
        ("pypi", OsRelease("kali"), "PyPI"),
    ],
)
def test_every_ecosystem_is_asked_in_its_own_words(kind: str, distribution: OsRelease | None, release: str) -> None:
    package = Package(kind, "x", "1.0", "x", "1.0", "db", purl=f"pkg:{kind}/x@1.0")
    flaw = advisory("X-1", affected(release, "x", fixed("1.1")))

    report = _match([package], flaw, distribution=distribution)

    assert [one.advisory for one in report.findings] == ["X-1"]
    assert keys([package], distribution) == {(release.partition(":")[0], "x")}


@pytest.mark.parametrize(
    ("kind", "distribution"),
    [
        ("deb", None),
        ("deb", OsRelease("kali", "2026.1")),
        ("deb", OsRelease("raspbian", "12")),
        ("deb", OsRelease("debian", "")),
        ("deb", OsRelease("debian", "13")),
        ("deb", OsRelease("ubuntu", "14.04")),
        ("apk", OsRelease("alpine", "3.21.0_alpha20240807")),
        ("apk", OsRelease("debian", "12")),
        ("rpm", OsRelease("fedora", "42")),
        ("golang", None),
    ],
)
def test_t53_packages_that_no_data_covers_are_reported_unmatched(kind: str, distribution: OsRelease | None) -> None:
    package = Package(kind, "x", "1.0", "x", "1.0", "db", purl=f"pkg:{kind}/x@1.0")

    report = _match([package], distribution=distribution)

    assert report.unmatched == (f"pkg:{kind}/x@1.0",)


_RED_HAT = AdvisoryBasis(
    ecosystems=("Red Hat",),
    releases=("Red Hat:enterprise_linux:10.0", "Red Hat:enterprise_linux:10.1", "Red Hat:enterprise_linux:9::baseos"),
)
_UBI = Package(
    "rpm", "openssl-libs", "1:3.2.2-16.el10_0.4", "openssl", "", "db", purl="pkg:rpm/rhel/openssl-libs@3.2.2"
)


@pytest.mark.parametrize("version_id", ["10.0", "10.1", "10"])
@pytest.mark.parametrize("minor", ["10.0", "10.1"])
def test_t53_since_red_hats_release_10_the_advisories_of_every_minor_release_count(version_id: str, minor: str) -> None:
    """What one minor release mends is open in another that no advisory of its own speaks of."""
    flaw = advisory("RHSA-1", affected(f"Red Hat:enterprise_linux:{minor}", "openssl-libs", fixed("1:3.5.1-5.el10_1")))
    report = _match([_UBI], flaw, distribution=OsRelease("rhel", version_id), basis=_RED_HAT)

    assert [(one.advisory, one.fixed_version) for one in report.findings] == [("RHSA-1", "1:3.5.1-5.el10_1")]
    assert report.unmatched == ()


def test_what_is_mended_in_each_minor_release_is_found_until_the_newest_of_them() -> None:
    both = [
        advisory(
            f"RHSA-{minor}",
            affected(f"Red Hat:enterprise_linux:10.{minor}", "openssl-libs", fixed(f"1:3.{minor}-1.el10_{minor}")),
            upstream=["CVE-2026-1000"],
        )
        for minor in (0, 1)
    ]
    for version, found in (
        ("1:3.0-0", ["1:3.1-1.el10_1"]),
        ("1:3.0-1.el10_0", ["1:3.1-1.el10_1"]),
        ("1:3.1-1.el10_1", []),
    ):
        package = replace(_UBI, version=version)
        report = _match([package], *both, distribution=OsRelease("rhel", "10.1"), basis=_RED_HAT)
        assert [one.fixed_version for one in report.findings] == found


@pytest.mark.parametrize("version_id", ["9.4", "8", "1.0"])
def test_a_minor_release_says_nothing_of_another_major_one(version_id: str) -> None:
    flaw = advisory("RHSA-1", affected("Red Hat:enterprise_linux:10.0", "openssl-libs", fixed("9")))

    assert _match([_UBI], flaw, distribution=OsRelease("rhel", version_id), basis=_RED_HAT).findings == ()


@pytest.mark.parametrize(("ecosystem", "kind", "found"), [("NuGet", "nuget", 1), ("npm", "npm", 0)])
def test_nuget_tells_no_names_apart_by_large_and_small_letters(ecosystem: str, kind: str, found: int) -> None:
    spelled = "Microsoft.NetCore.App.Runtime.linux-x64"
    package = Package(kind, spelled.replace("NetCore", "NETCore"), "8.0.0", "", "", "app", purl="pkg:nuget/x@8.0.0")
    about = advisory("GHSA-1", affected(ecosystem, spelled, fixed("8.0.1")))
    basis = AdvisoryBasis(ecosystems=(ecosystem,))
    assert len(match([package], None, {(ecosystem, package.name): [about]}, basis).findings) == found


def test_t53_a_java_archive_that_does_not_say_its_group_is_unmatched() -> None:
    """Data of its ecosystem is there, and speaks of no name without a group."""
    with_group = Package("maven", "org.yaml:snakeyaml", "1", "", "", "a.jar", purl="pkg:maven/org.yaml/snakeyaml@1")
    without = Package("maven", "rxjava", "2.2.0", "rxjava", "2.2.0", "b.jar", purl="pkg:maven/rxjava@2.2.0")
    basis = AdvisoryBasis(ecosystems=("Maven",))
    assert match([with_group, without], None, {}, basis).unmatched == ("pkg:maven/rxjava@2.2.0",)


def test_without_data_everything_is_unmatched() -> None:
    packages = [python("b", "1"), deb("a", "1"), replace(deb("c", "1"), purl="")]

    report = match(packages, BOOKWORM, {}, AdvisoryBasis())

    assert report.unmatched == ("pkg:deb/c@1", "pkg:deb/debian/a@1", "pkg:pypi/b@1")


def test_keys_are_normalised_and_leave_out_what_nobody_covers() -> None:
    packages = [python("Zope.Interface", "1"), deb("libssl3", "3", "openssl"), Package("rpm", "x", "1", "x", "1", "db")]

    assert keys(packages, BOOKWORM) == {("PyPI", "zope-interface"), ("Debian", "openssl")}
