"""Advisories from local files, in every shape people have them."""

import io
import zipfile
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from proxy.feeds.archive import Limits, read_archive, read_folder
from proxy.feeds.importer import import_path
from proxy.feeds.report import FeedError, Outcome
from scanning.advisories.osv import MAX_RECORD_BYTES
from storage.snapshot import Snapshot
from storage.snapshots import Snapshots
from tests.proxy.feeds.feed_server import archive
from tests.scanning.advisories.records import affected, fixed, record

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
DSA = record("DSA-1-1", affected("Debian:12", "x", fixed("2")))
PYSEC = record("PYSEC-1", affected("PyPI", "x", fixed("2")))
BOTH = record("GHSA-1", affected("PyPI", "x", fixed("2")), affected("npm", "x", fixed("3")))


@pytest.fixture
def snapshots(tmp_path: Path) -> Snapshots:
    return Snapshots(tmp_path / "state")


def ecosystems(snapshot: Snapshot | None) -> Iterable[str]:
    assert snapshot is not None
    return snapshot.basis().ecosystems


def bucket(folder: Path, **archives: bytes) -> Path:
    for name, content in archives.items():
        (folder / name).mkdir(parents=True)
        (folder / name / "all.zip").write_bytes(content)
    return folder


def test_a_folder_laid_out_like_the_bucket(tmp_path: Path, snapshots: Snapshots) -> None:
    path = bucket(tmp_path / "osv", Debian=archive({"a.json": DSA}), PyPI=archive({"b.json": PYSEC}))

    report = import_path(path, snapshots, NOW)

    assert [(one.ecosystem, one.outcome, one.records) for one in report.results] == [
        ("Debian", Outcome.UPDATED, 1),
        ("PyPI", Outcome.UPDATED, 1),
    ]
    assert ecosystems(report.snapshot) == ("Debian", "PyPI")


def test_one_ecosystem_of_such_a_folder(tmp_path: Path, snapshots: Snapshots) -> None:
    path = bucket(tmp_path / "osv", Debian=archive({"a.json": DSA}), PyPI=archive({"b.json": PYSEC}))

    assert ecosystems(import_path(path, snapshots, NOW, ecosystem="PyPI").snapshot) == ("PyPI",)
    with pytest.raises(FeedError, match="no folder npm"):
        import_path(path, snapshots, NOW, ecosystem="npm")


@pytest.mark.parametrize("inside", ["PyPI", "PyPI/all.zip"])
def test_the_archive_of_an_ecosystem_holds_only_that_one(tmp_path: Path, snapshots: Snapshots, inside: str) -> None:
    path = bucket(tmp_path / "osv", PyPI=archive({"a.json": PYSEC, "b.json": BOTH}))

    assert ecosystems(import_path(path / inside, snapshots, NOW).snapshot) == ("PyPI",)


def test_any_other_archive_is_sorted_by_what_its_records_say(tmp_path: Path, snapshots: Snapshots) -> None:
    path = tmp_path / "advisories.zip"
    path.write_bytes(archive({"a.json": DSA, "b.json": BOTH, "README.md": b"not a record"}))

    assert ecosystems(import_path(path, snapshots, NOW).snapshot) == ("Debian", "PyPI", "npm")


def test_one_record(tmp_path: Path, snapshots: Snapshots) -> None:
    (tmp_path / "DSA-1-1.json").write_bytes(DSA)

    assert ecosystems(import_path(tmp_path / "DSA-1-1.json", snapshots, NOW).snapshot) == ("Debian",)


def test_a_folder_of_records(tmp_path: Path, snapshots: Snapshots) -> None:
    folder = tmp_path / "records"
    folder.mkdir()
    (folder / "DSA-1-1.json").write_bytes(DSA)
    (folder / "PYSEC-1.json").write_bytes(PYSEC)

    assert ecosystems(import_path(folder, snapshots, NOW).snapshot) == ("Debian", "PyPI")
    assert ecosystems(import_path(folder, Snapshots(tmp_path / "other"), NOW, ecosystem="PyPI").snapshot) == ("PyPI",)


def test_an_import_keeps_what_it_does_not_speak_of(tmp_path: Path, snapshots: Snapshots) -> None:
    import_path(bucket(tmp_path / "one", Debian=archive({"a.json": DSA})), snapshots, NOW)

    report = import_path(bucket(tmp_path / "two", PyPI=archive({"b.json": PYSEC})), snapshots, NOW)

    assert ecosystems(report.snapshot) == ("Debian", "PyPI")


@pytest.mark.parametrize("what", ["nothing", "empty"])
def test_a_path_without_records_is_refused(tmp_path: Path, snapshots: Snapshots, what: str) -> None:
    (tmp_path / "empty").mkdir()

    with pytest.raises(FeedError, match=r"nothing at|no OSV records"):
        import_path(tmp_path / what, snapshots, NOW)


def test_a_malformed_record_is_named_and_refuses_its_ecosystem_only(tmp_path: Path, snapshots: Snapshots) -> None:
    path = bucket(tmp_path / "osv", Debian=archive({"a.json": DSA}), PyPI=archive({"b.json": PYSEC, "bad.json": b"{"}))

    report = import_path(path, snapshots, NOW)

    assert report.failed
    assert "bad.json" in report.results[1].problem
    assert ecosystems(report.snapshot) == ("Debian",)


def test_a_malformed_record_can_be_left_out_by_force(tmp_path: Path, snapshots: Snapshots) -> None:
    path = bucket(tmp_path / "osv", PyPI=archive({"b.json": PYSEC, "bad.json": b"{"}))

    (result,) = import_path(path, snapshots, NOW, force=True).results

    assert (result.outcome, result.records, result.skipped) == (Outcome.UPDATED, 1, 1)


def test_an_archive_that_cannot_be_read_is_said(tmp_path: Path, snapshots: Snapshots) -> None:
    path = bucket(tmp_path / "osv", Debian=b"no archive")

    assert "not a whole zip archive" in import_path(path, snapshots, NOW).results[0].problem


def test_the_order_of_members_does_not_change_the_snapshot(tmp_path: Path) -> None:
    other = record("DSA-2-1", affected("Debian:12", "y", fixed("2")))
    one = bucket(tmp_path / "one", Debian=archive({"a.json": DSA, "b.json": other}))
    two = bucket(tmp_path / "two", Debian=archive({"b.json": other, "a.json": DSA}))

    first = import_path(one, Snapshots(tmp_path / "s1"), NOW).snapshot
    second = import_path(two, Snapshots(tmp_path / "s2"), NOW).snapshot

    assert first is not None
    assert second is not None
    assert first.digest == second.digest


def test_progress_is_told(tmp_path: Path, snapshots: Snapshots) -> None:
    told: list[tuple[str, int, int]] = []
    path = bucket(tmp_path / "osv", Debian=archive({"a.json": DSA}))

    import_path(path, snapshots, NOW, progress=lambda *step: told.append(step))

    assert told == [("Debian", 1, 1)]


def test_t74_a_member_that_inflates_without_end_is_refused() -> None:
    bomb = archive({"a.json": b" " * (MAX_RECORD_BYTES + 1)})
    assert len(bomb) < MAX_RECORD_BYTES // 500

    with pytest.raises(FeedError, match=rf"more than {MAX_RECORD_BYTES} bytes"):
        list(read_archive(io.BytesIO(bomb), "bomb.zip"))


def test_t74_all_members_together_are_bounded() -> None:
    content = archive({f"{number}.json": b" " * 1000 for number in range(10)})

    with pytest.raises(FeedError, match="more than 9999 bytes"):
        list(read_archive(io.BytesIO(content), "a.zip", Limits(total_bytes=9999)))
    with pytest.raises(FeedError, match="more than 9 members"):
        list(read_archive(io.BytesIO(content), "a.zip", Limits(members=9)))


def test_t74_a_folder_is_bounded_too(tmp_path: Path) -> None:
    for number in range(10):
        (tmp_path / f"{number}.json").write_bytes(b" " * 1000)

    with pytest.raises(FeedError, match="more than 9999 bytes"):
        list(read_folder(tmp_path, limits=Limits(total_bytes=9999)))
    with pytest.raises(FeedError, match="more than 9 files"):
        list(read_folder(tmp_path, limits=Limits(members=9)))


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_only_deflated_members_are_read(method: int) -> None:
    with pytest.raises(FeedError, match="not deflated"):
        list(read_archive(io.BytesIO(archive({"a.json": DSA}, method)), "a.zip"))


def test_a_member_with_a_wrong_checksum_is_refused() -> None:
    content = bytearray(archive({"a.json": DSA}, zipfile.ZIP_STORED))
    place = content.index(b"DSA-1-1")
    content[place : place + 3] = b"XXX"

    with pytest.raises(FeedError, match="not a whole zip archive"):
        list(read_archive(io.BytesIO(content), "a.zip"))


def test_the_real_advisories(testdata: Path, snapshots: Snapshots) -> None:
    report = import_path(testdata / "osv", snapshots, NOW, ecosystem="Debian")

    assert [(one.ecosystem, one.records) for one in report.results] == [("Debian", 7967)]
    assert report.snapshot is not None
    assert "Debian:12" in report.snapshot.basis().releases
