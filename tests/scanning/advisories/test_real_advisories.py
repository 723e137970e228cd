"""What real advisories say of packages whose state is known."""

import io
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from zipfile import ZipFile

import pytest

from config.vocabulary import Severity
from scanning.advisories.ecosystems import Key
from scanning.advisories.matching import match
from scanning.advisories.model import AdvisoryBasis, AdvisoryReport
from scanning.advisories.osv import Advisory, parse
from scanning.facts import OsRelease, Package
from tests.scanning.advisories.records import BOOKWORM, deb, python

_BASIS = AdvisoryBasis(ecosystems=("Debian", "PyPI"), releases=("Debian:12",))
Index = Mapping[Key, list[Advisory]]


@pytest.fixture(scope="module")
def index(testdata: Path) -> Index:
    found: dict[Key, list[Advisory]] = defaultdict(list)
    for ecosystem in (*_BASIS.ecosystems, "AlmaLinux"):
        with ZipFile(io.BytesIO((testdata / "osv" / ecosystem / "all.zip").read_bytes())) as archive:
            for name in archive.namelist():
                advisory = parse(archive.read(name))
                for key in {(entry.ecosystem, entry.package) for entry in advisory.affected}:
                    found[key].append(advisory)
    return found


def _report(index: Index, *packages: Package) -> AdvisoryReport:
    return match(packages, BOOKWORM, index, _BASIS)


def test_unpatched_openssl_has_findings_that_the_patched_one_has_not(index: Index) -> None:
    unpatched = _report(index, deb("libssl3", "3.0.20-1~deb12u2", "openssl"), deb("openssl", "3.0.20-1~deb12u2"))
    patched = _report(index, deb("libssl3", "3.0.22-1~deb12u2", "openssl"), deb("openssl", "3.0.22-1~deb12u2"))

    assert {finding.fixed_version for finding in unpatched.findings} == {"3.0.22-1~deb12u2"}
    assert {finding.package for finding in unpatched.findings} == {"openssl"}
    assert "CVE-2026-35189" in {finding.name for finding in unpatched.findings}
    assert len(unpatched.findings) == 12
    assert patched.findings == ()


def test_old_jinja2_has_its_two_known_flaws(index: Index) -> None:
    findings = _report(index, python("Jinja2", "2.10")).findings

    assert {(one.name, one.fixed_version) for one in findings} == {
        ("CVE-2019-10906", "2.10.1"),
        ("CVE-2020-28493", "2.11.3"),
    }
    assert {one.name for one in _report(index, python("jinja2", "2.10.1")).findings} == {"CVE-2020-28493"}


def test_old_django_is_told_the_fixes_of_its_own_branch(index: Index) -> None:
    findings = _report(index, python("Django", "2.2")).findings

    assert len(findings) == 28
    assert all(one.fixed_version.startswith("2.2.") for one in findings)
    assert not any(one.uncertain for one in findings)
    assert ("CVE-2019-14234", "2.2.4") in {(one.name, one.fixed_version) for one in findings}


def test_a_version_nobody_can_read_is_found_and_not_skipped(index: Index) -> None:
    findings = _report(index, python("django", "two point two")).findings

    assert len(findings) > 100
    assert all(one.uncertain for one in findings)


class TestAlmaLinux:
    """Errata name packages as they were built, are rated in their summary only, and mix security with bug fixes."""

    BASIS = AdvisoryBasis(ecosystems=("AlmaLinux",), releases=("AlmaLinux:9",))

    def report(self, index: Index, name: str, version: str, release: str = "9.4") -> AdvisoryReport:
        package = Package("rpm", name, version, name, version, "var/lib/rpm/rpmdb.sqlite")
        return match([package], OsRelease("almalinux", release), index, self.BASIS)

    def test_an_old_bash_has_the_flaw_its_erratum_cures(self, index: Index) -> None:
        (finding, *others) = [
            one for one in self.report(index, "bash", "5.1.8-6.el9").findings if one.name == "CVE-2022-3715"
        ]
        assert others == []
        assert (finding.advisory, finding.fixed_version, finding.severity) == (
            "ALSA-2023:0340",
            "5.1.8-6.el9_1",
            Severity.MEDIUM,
        )
        cured = self.report(index, "bash", "5.1.8-6.el9_1").findings
        assert "CVE-2022-3715" not in {one.name for one in cured}

    def test_bug_fixes_and_enhancements_are_no_findings(self, index: Index) -> None:
        said = {one.id for key, found in index.items() if key[0] == "AlmaLinux" for one in found}
        assert any(one.startswith(("ALBA-", "ALEA-")) for one in said)
        for name in ("bash", "openssl-libs", "tzdata", "systemd"):
            findings = self.report(index, name, "0-0").findings
            assert not [one for one in findings if one.advisory.startswith(("ALBA-", "ALEA-"))]

    def test_another_release_is_not_spoken_of(self, index: Index) -> None:
        assert self.report(index, "bash", "5.1.8-6.el9", "7").unmatched == ("pkg:rpm/bash@5.1.8-6.el9",)
