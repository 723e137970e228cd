"""RPM databases: real ones in each format, and damaged ones."""

import hashlib
import os
import sqlite3
import struct
import zlib
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scanning.errors import InvalidContentError
from scanning.facts import OsRelease, Ownership, Package
from scanning.packages import catalogers, rpm
from scanning.packages.purl import purl
from scanning.packages.rpmdb.header import FileTag, read_files
from tests.rpm_databases import RpmSpec, berkeley, build, install, ndb, need_rpm

BASH = RpmSpec("bash", "5.1.8", "6.el9", licence="GPLv3+", program="#!/bin/true")
LIBS = RpmSpec("openssl-libs", "3.0.7", "24.el9", epoch=1, licence="ASL 2.0", source="openssl")
LARGE = RpmSpec("kernel-core", "5.14.0", "427.el9", big=True)
NAMES = {
    "sqlite": "var/lib/rpm/rpmdb.sqlite",
    "ndb": "usr/lib/sysimage/rpm/Packages.db",
    "berkeley": "var/lib/rpm/Packages",
}
_STRING_ARRAY = 8
Databases = Mapping[str, bytes]


@pytest.fixture(scope="session")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Databases:
    """One database a format, all of the same three packages, by format."""
    need_rpm()
    folder = tmp_path_factory.mktemp("rpm")
    database = install(folder, build(folder, BASH, LIBS, LARGE))
    return {"sqlite": database.read_bytes(), "ndb": ndb(database), "berkeley": berkeley(folder, database)}


def of(name: str, packages: tuple[Package, ...]) -> Package:
    """The package of that name."""
    return next(package for package in packages if package.name == name)


@pytest.mark.real
def test_slots_that_lead_to_the_same_package_again_and_again_are_refused(databases: Databases) -> None:
    slots = slice(32, 4096)
    content = bytearray(databases["ndb"])
    largest = max(struct.iter_unpack("<4sIII", content[slots]), key=lambda slot: slot[3])
    content[slots] = struct.pack("<4sIII", *largest) * 254

    with pytest.raises(InvalidContentError, match="again and again"):
        rpm.read(NAMES["ndb"], bytes(content))


def test_t56_slots_that_lead_to_the_same_large_blocks_are_refused_by_the_first_few() -> None:
    """Their packages are small and are met but once in a while; the checksum is of all that they lie in."""
    header = struct.pack(">IIIIiI", 1, 11, 1000, 6, 0, 1) + b"gpg-pubkey\0"
    body = (struct.pack("<4sIII", b"BlbS", 1, 0, len(header)) + header).ljust(1 << 20, b"\0")[:-12]
    body += struct.pack("<II4s", zlib.adler32(body), len(header), b"BlbE")
    slot = struct.pack("<4sIII", b"Slot", 1, 4096 // 16, len(body) // 16)
    head = struct.pack("<4sIIII12x", b"RpmP", 0, 1, 1, 2)

    assert rpm.read(NAMES["ndb"], (head + slot).ljust(48, b"\0") + _free_slots(253) + body) == ()
    with pytest.raises(InvalidContentError, match="same blocks again and again"):
        rpm.read(NAMES["ndb"], head + slot * 2 + _free_slots(252) + body)


def _free_slots(number: int) -> bytes:
    return struct.pack("<4sIII", b"Slot", 0, 0, 0) * number


def test_a_database_whose_schema_is_no_text_is_refused() -> None:
    with closing(sqlite3.connect(":memory:")) as made:
        made.execute("CREATE TABLE Packages (hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL)")
        content = made.serialize()
    damaged = content.replace(b"tablePackages", b"tablePack\xffges").replace(b"(hnum", b"(,num")

    with pytest.raises(InvalidContentError, match="SQLite cannot read it"):
        rpm.read(NAMES["sqlite"], damaged)


def test_a_header_with_an_empty_list_of_files_has_none() -> None:
    header = struct.pack(">IIIIiI", 1, 1, FileTag.BASENAMES, _STRING_ARRAY, 0, 0) + b"\0"
    assert read_files(header)[1] == ()


@pytest.mark.real
@pytest.mark.parametrize("kind", NAMES)
class TestRealDatabases:
    def test_every_package_is_read_with_its_source(self, databases: Databases, kind: str) -> None:
        path = NAMES[kind]
        cataloger = catalogers.cataloger_of(path)
        assert cataloger is not None
        found = cataloger.read(path, databases[kind])

        assert sorted(package.name for package in found) == ["bash", "kernel-core", "openssl-libs"]
        assert of("bash", found) == Package(
            "rpm", "bash", "5.1.8-6.el9", "bash", "5.1.8-6.el9", path, architecture="noarch", licences=("GPLv3+",)
        )
        libs = of("openssl-libs", found)
        assert (libs.version, libs.source_name, libs.source_version) == ("1:3.0.7-24.el9", "openssl", "1:3.0.7-24.el9")

    def test_files_are_read_with_their_digests(self, databases: Databases, kind: str) -> None:
        def sha256(text: str) -> tuple[str]:
            return (hashlib.sha256(text.encode()).hexdigest(),)

        assert rpm.ownership(NAMES[kind], databases[kind]) == (
            Ownership("bash", ("usr/bin/bash",), "sha256", sha256("#!/bin/true\n")),
            Ownership("bash", ("etc/bash.conf",), "sha256", sha256("bash\n"), is_configuration=True),
        )

    def test_a_database_cut_short_is_refused(self, databases: Databases, kind: str) -> None:
        for length in (1, 20, 40, 5000, len(databases[kind]) // 2, len(databases[kind]) - 1):
            with pytest.raises(InvalidContentError, match=r"is no rpm database that can be read: .* rpm --rebuilddb"):
                rpm.read(NAMES[kind], databases[kind][:length])

    @settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(data=st.data())
    def test_a_damaged_database_is_read_or_refused_and_nothing_else(
        self, databases: Databases, kind: str, data: st.DataObject
    ) -> None:
        content = bytearray(databases[kind])
        for _ in range(data.draw(st.integers(1, 4))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
        try:
            rpm.read(NAMES[kind], bytes(content))
        except InvalidContentError:
            return


@pytest.mark.real
def test_a_database_in_another_format_than_its_name_says_is_refused(databases: Databases) -> None:
    for kind, path in NAMES.items():
        for other in NAMES.keys() - {kind}:
            with pytest.raises(InvalidContentError):
                rpm.read(path, databases[other])


@pytest.mark.real
def test_a_package_that_changed_in_an_ndb_database_is_refused(databases: Databases) -> None:
    changed = databases["ndb"].replace(b"5.1.8", b"9.9.9", 1)
    with pytest.raises(InvalidContentError, match="checksum"):
        rpm.read(NAMES["ndb"], changed)


def test_a_view_in_place_of_the_table_is_refused(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "db")) as database:
        database.execute("CREATE VIEW Packages AS SELECT 1 AS hnum, x'00' AS blob")
        database.commit()
    with pytest.raises(InvalidContentError, match="no table Packages"):
        rpm.read(NAMES["sqlite"], (tmp_path / "db").read_bytes())


def test_a_write_ahead_log_with_changes_is_refused_and_an_empty_one_is_nothing() -> None:
    assert rpm.matches("var/lib/rpm/rpmdb.sqlite-wal")
    assert rpm.read("var/lib/rpm/rpmdb.sqlite-wal", b"") == ()
    with pytest.raises(InvalidContentError, match="changes that are not in the database"):
        rpm.read("var/lib/rpm/rpmdb.sqlite-wal", os.urandom(64))


@pytest.mark.parametrize("path", ["srv/rpm/Packages", "var/lib/rpm/Name", "var/lib/rpm/rpmdb.sqlite-shm"])
def test_other_files_are_no_database(path: str) -> None:
    assert not rpm.matches(path)


@pytest.mark.parametrize("path", rpm.DATABASES)
def test_an_empty_file_is_a_database_without_packages(path: str) -> None:
    assert rpm.matches(path)
    assert rpm.read(path, b"") == ()


def test_a_purl_has_the_epoch_as_a_qualifier() -> None:
    package = Package("rpm", "openssl-libs", "1:3.0.7-24.el9", "openssl", "1:3.0.7-24.el9", "db", architecture="x86_64")
    assert purl(package, OsRelease("almalinux", "9.4")) == (
        "pkg:rpm/almalinux/openssl-libs@3.0.7-24.el9?arch=x86_64&distro=almalinux-9.4&epoch=1"
    )
