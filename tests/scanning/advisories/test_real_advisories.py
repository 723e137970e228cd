"""What real advisories say of packages whose state is known."""

import io
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from zipfile import ZipFile

import pytest

from scanning.advisories.ecosystems import Key
from scanning.advisories.matching import match
from scanning.advisories.model import AdvisoryBasis, AdvisoryReport
from scanning.advisories.osv import Advisory, parse
from scanning.facts import Package
from tests.scanning.advisories.records import BOOKWORM, deb, python

_BASIS = AdvisoryBasis(ecosystems=("Debian", "PyPI"), releases=("Debian:12",))
Index = Mapping[Key, list[Advisory]]


@pytest.fixture(scope="module")
def index(testdata: Path) -> Index:
    found: dict[Key, list[Advisory]] = defaultdict(list)
    for ecosystem in _BASIS.ecosystems:
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
