"""Advisory snapshots: immutable, named by digest, never a step back, never half a file."""

import os
import resource
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from scanning.advisories.model import AdvisoryBasis
from scanning.advisories.osv import Advisory
from scanning.errors import InvalidContentError
from scanning.oci.digest import Digest
from storage.errors import SnapshotError, SnapshotRefusedError, StorageUnavailableError
from storage.snapshot import Snapshot
from storage.snapshots import Pruned, Snapshots
from tests.scanning.advisories.records import advisory, affected, fixed

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def debian(number: int, name: str = "openssl", *, modified: str = "2026-05-01T00:00:00Z") -> Advisory:
    return advisory(f"DSA-{number}-1", affected("Debian:12", name, fixed("2")), modified=modified)


def pypi(number: int, name: str = "jinja2") -> Advisory:
    return advisory(f"PYSEC-{number}", affected("PyPI", name, fixed("2")))


@pytest.fixture
def snapshots(tmp_path: Path) -> Snapshots:
    return Snapshots(tmp_path / "advisories")


def put(
    snapshots: Snapshots, ecosystem: str, *advisories: Advisory, now: datetime = NOW, force: bool = False
) -> Snapshot:
    return snapshots.publish([snapshots.stage(ecosystem, advisories, now, force=force)], now, force=force)


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_before_the_first_import_there_is_none(snapshots: Snapshots) -> None:
    assert snapshots.current() is None


def test_what_was_published_is_current_and_can_be_looked_up(snapshots: Snapshots) -> None:
    published = put(snapshots, "Debian", debian(1), debian(2, "zlib"), debian(3))

    assert snapshots.current() == published
    assert published.lookup([("Debian", "openssl"), ("Debian", "nothing"), ("npm", "openssl")]) == {
        ("Debian", "openssl"): (debian(1), debian(3))
    }


def test_names_of_nuget_are_found_however_they_are_spelled(snapshots: Snapshots) -> None:
    def nuget(number: int, name: str) -> Advisory:
        return advisory(f"GHSA-{number}", affected("NuGet", name, fixed("2")))

    one, two = nuget(1, "Microsoft.NETCore.App.Ref"), nuget(2, "Microsoft.NetCore.App.Ref")
    published = put(snapshots, "NuGet", one, nuget(3, "Other"), two)
    asked = "microsoft.netcore.App.Ref"
    assert published.lookup([("NuGet", asked), ("NuGet", "nothing")]) == {("NuGet", asked): (one, two)}
    assert (
        put(snapshots, "npm", advisory("GHSA-4", affected("npm", "Name", fixed("2")))).lookup([("npm", "name")]) == {}
    )


def test_a_package_name_is_data_and_never_sql(snapshots: Snapshots) -> None:
    published = put(snapshots, "Debian", debian(1, "x' OR '1'='1"))

    assert published.lookup([("Debian", "' OR ''='")]) == {}
    assert list(published.lookup([("Debian", "x' OR '1'='1")])) == [("Debian", "x' OR '1'='1")]


def test_the_basis_says_what_findings_rest_on(snapshots: Snapshots) -> None:
    published = put(snapshots, "Debian", debian(1), debian(2))

    assert published.basis() == AdvisoryBasis(
        snapshot=published.digest, fetched_at=NOW, ecosystems=("Debian",), records=2, releases=("Debian:12",)
    )


def test_importing_one_ecosystem_keeps_the_others(snapshots: Snapshots) -> None:
    put(snapshots, "Debian", debian(1))
    merged = put(snapshots, "PyPI", pypi(1), now=NOW + DAY)

    assert merged.basis().ecosystems == ("Debian", "PyPI")
    assert set(merged.lookup([("Debian", "openssl"), ("PyPI", "jinja2")])) == {
        ("Debian", "openssl"),
        ("PyPI", "jinja2"),
    }


def test_the_basis_is_as_old_as_the_oldest_ecosystem_that_is_needed(snapshots: Snapshots) -> None:
    put(snapshots, "Debian", debian(1))
    merged = put(snapshots, "PyPI", pypi(1), now=NOW + DAY)

    assert merged.basis().fetched_at == NOW
    assert merged.basis({"PyPI"}).fetched_at == NOW + DAY
    assert merged.basis({"npm"}).fetched_at == NOW


def test_the_same_data_has_the_same_name(tmp_path: Path) -> None:
    one = put(Snapshots(tmp_path / "one"), "Debian", debian(1), debian(2))
    other = put(Snapshots(tmp_path / "other"), "Debian", debian(1), debian(2))

    assert one.digest == other.digest


def test_files_are_named_by_the_digest_of_their_bytes(snapshots: Snapshots, tmp_path: Path) -> None:
    published = put(snapshots, "Debian", debian(1))

    (data,) = (tmp_path / "advisories" / "data").iterdir()
    (document,) = (tmp_path / "advisories" / "snapshots").iterdir()
    assert Digest.of(data.read_bytes()) == published.feeds[0].data
    assert data.stem == published.feeds[0].data.hex
    assert Digest.of(document.read_bytes()) == published.digest


def test_an_old_snapshot_answers_as_it_did(snapshots: Snapshots) -> None:
    old = put(snapshots, "Debian", debian(1))
    put(snapshots, "Debian", debian(1), debian(2))

    assert snapshots.open(old.digest).lookup([("Debian", "openssl")]) == {("Debian", "openssl"): (debian(1),)}
    assert snapshots.open(old.digest).basis() == old.basis()


def test_withdrawn_advisories_and_other_ecosystems_are_left_out(snapshots: Snapshots) -> None:
    withdrawn = advisory("PYSEC-9", affected("PyPI", "x", fixed("2")), withdrawn="2026-01-01T00:00:00Z")
    shared = advisory("GHSA-1", affected("PyPI", "x", fixed("2")), affected("npm", "x", fixed("3")))

    published = put(snapshots, "PyPI", withdrawn, shared, debian(1))

    ((found,),) = published.lookup([("PyPI", "x")]).values()
    assert (found.id, [entry.ecosystem for entry in found.affected]) == ("GHSA-1", ["PyPI"])
    assert published.feeds[0].records == 1


def test_withdrawing_the_newest_advisory_is_no_step_back(snapshots: Snapshots) -> None:
    newest = {"modified": "2026-02-01T00:00:00Z"}
    put(snapshots, "PyPI", pypi(1), advisory("MAL-2026-1", affected("PyPI", "x", fixed("2")), **newest))
    withdrawn = {"modified": "2026-02-02T00:00:00Z", "withdrawn": "2026-02-02T00:00:00Z"}

    published = put(
        snapshots,
        "PyPI",
        pypi(1),
        advisory("MAL-2026-1", affected("PyPI", "x", fixed("2")), **withdrawn),
        now=NOW + DAY,
    )

    assert published.lookup([("PyPI", "x")]) == {}


def test_data_without_an_advisory_is_refused_even_by_force(snapshots: Snapshots) -> None:
    with pytest.raises(InvalidContentError, match="no npm advisory"):
        put(snapshots, "npm", pypi(1), force=True)


def test_an_id_that_comes_twice_is_refused(snapshots: Snapshots) -> None:
    with pytest.raises(InvalidContentError, match="DSA-1-1 twice"):
        put(snapshots, "Debian", debian(1), debian(1, "zlib"))


@pytest.mark.parametrize("name", ["", "../x", "a/b", "Debian\n", ".hidden"])
def test_an_ecosystem_has_a_plain_name(snapshots: Snapshots, name: str) -> None:
    with pytest.raises(InvalidContentError, match="ecosystem"):
        put(snapshots, name, pypi(1))


def test_t78_a_feed_of_less_than_half_is_refused_and_the_old_one_stays(snapshots: Snapshots) -> None:
    before = put(snapshots, "Debian", *map(debian, range(1, 6)))

    with pytest.raises(SnapshotRefusedError, match=r"holds 2 records where the present data holds 5.*--force"):
        put(snapshots, "Debian", debian(1), debian(2))

    assert snapshots.current() == before


def test_t78_half_of_it_is_still_accepted(snapshots: Snapshots) -> None:
    put(snapshots, "Debian", *map(debian, range(1, 5)))

    assert put(snapshots, "Debian", debian(1), debian(2)).feeds[0].records == 2


def test_t78_a_rolled_back_feed_is_refused_and_the_old_one_stays(snapshots: Snapshots) -> None:
    before = put(snapshots, "Debian", debian(1, modified="2026-05-02T00:00:00Z"))

    with pytest.raises(SnapshotRefusedError, match=r"2026-05-01.*2026-05-02.*rolled back"):
        put(snapshots, "Debian", debian(1, modified="2026-05-01T00:00:00Z"))

    assert snapshots.current() == before


def test_t78_refused_data_leaves_no_file(snapshots: Snapshots, tmp_path: Path) -> None:
    put(snapshots, "Debian", *map(debian, range(1, 6)))
    before = files(tmp_path / "advisories" / "data")

    with pytest.raises(SnapshotRefusedError):
        put(snapshots, "Debian", debian(1))

    assert files(tmp_path / "advisories" / "data") == before


def test_t78_a_step_back_can_be_forced(snapshots: Snapshots) -> None:
    put(snapshots, "Debian", *map(debian, range(1, 6)))

    assert put(snapshots, "Debian", debian(1, modified="2020-01-01T00:00:00Z"), force=True).feeds[0].records == 1


def test_t78_what_was_staged_before_newer_data_came_into_force_is_refused(snapshots: Snapshots) -> None:
    late = snapshots.stage("Debian", [debian(1)], NOW)
    put(snapshots, "Debian", debian(1, modified="2026-05-20T00:00:00Z"))

    with pytest.raises(SnapshotRefusedError):
        snapshots.publish([late], NOW)


def test_t78_a_record_dated_in_the_future_does_not_shut_out_later_updates(snapshots: Snapshots) -> None:
    put(snapshots, "Debian", debian(1, modified="2099-01-01T00:00:00Z"))
    later = debian(2, modified="2026-06-03T00:00:00Z")

    assert put(snapshots, "Debian", later, now=NOW + 3 * DAY).feeds[0].newest == later.modified


def test_t79_time_never_goes_back(snapshots: Snapshots) -> None:
    assert snapshots.observe(NOW) == NOW
    assert snapshots.observe(NOW - 30 * DAY) == NOW
    assert snapshots.observe(NOW + DAY) == NOW + DAY


def test_t79_the_highest_time_survives_a_restart(snapshots: Snapshots, tmp_path: Path) -> None:
    snapshots.observe(NOW)

    assert Snapshots(tmp_path / "advisories").observe(NOW - DAY) == NOW


def test_t79_data_fetched_with_the_clock_set_back_is_not_dated_back(snapshots: Snapshots) -> None:
    put(snapshots, "Debian", debian(1))

    assert put(snapshots, "PyPI", pypi(1), now=NOW - 30 * DAY).basis({"PyPI"}).fetched_at == NOW


def test_t79_unchanged_data_is_renewed_but_never_dated_back(snapshots: Snapshots) -> None:
    (feed,) = put(snapshots, "Debian", debian(1)).feeds

    assert snapshots.renew(feed, NOW - DAY).fetched_at == NOW
    renewed = snapshots.publish([snapshots.renew(feed, NOW + DAY)], NOW + DAY)
    assert renewed.feeds[0].fetched_at == NOW + DAY
    assert renewed.feeds[0].data == feed.data


def test_t79_after_a_clock_that_was_ahead_forcing_sets_time_right(snapshots: Snapshots) -> None:
    put(snapshots, "Debian", debian(1), now=NOW + 3650 * DAY)

    recovered = put(snapshots, "PyPI", pypi(1), force=True)

    assert snapshots.observe(NOW) == NOW
    assert recovered.basis({"Debian"}).fetched_at == NOW
    assert recovered.basis({"PyPI"}).fetched_at == NOW


def test_t68_an_import_that_breaks_off_leaves_no_file_and_the_old_data(snapshots: Snapshots, tmp_path: Path) -> None:
    before = put(snapshots, "Debian", debian(1))
    kept = files(tmp_path / "advisories" / "data")

    def breaking() -> Iterator[Advisory]:
        yield debian(2)
        raise InvalidContentError("broken off")

    with pytest.raises(InvalidContentError, match="broken off"):
        snapshots.stage("Debian", breaking(), NOW)

    assert files(tmp_path / "advisories" / "data") == kept
    assert snapshots.current() == before


@pytest.fixture
def no_room() -> Iterator[None]:
    """Every file of this process ends at 256 KiB, as it would on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (256 * 1024, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.usefixtures("no_room")
def test_t68_a_full_disk_is_said_and_leaves_no_file(snapshots: Snapshots, tmp_path: Path) -> None:
    before = put(snapshots, "Debian", debian(1))

    with pytest.raises(StorageUnavailableError, match=r"cannot be written.*present data stays"):
        snapshots.stage("Debian", map(debian, range(1, 5000)), NOW)

    assert len(files(tmp_path / "advisories" / "data")) == 1
    assert snapshots.current() == before


def test_a_damaged_snapshot_is_never_used(snapshots: Snapshots, tmp_path: Path) -> None:
    published = put(snapshots, "Debian", debian(1))
    (document,) = (tmp_path / "advisories" / "snapshots").iterdir()
    document.write_bytes(document.read_bytes().replace(b"Debian", b"debian"))

    with pytest.raises(SnapshotError, match="damaged"):
        snapshots.open(published.digest)


@pytest.mark.parametrize("damage", [b"", b"not a database at all", b"SQLite format 3\x00"])
def test_damaged_data_is_an_error_and_not_an_empty_answer(snapshots: Snapshots, tmp_path: Path, damage: bytes) -> None:
    published = put(snapshots, "Debian", debian(1))
    (data,) = (tmp_path / "advisories" / "data").iterdir()
    data.write_bytes(damage)

    with pytest.raises(SnapshotError, match="import it again"):
        published.lookup([("Debian", "openssl")])


def test_missing_data_is_an_error_and_not_an_empty_answer(snapshots: Snapshots, tmp_path: Path) -> None:
    published = put(snapshots, "Debian", debian(1))
    (data,) = (tmp_path / "advisories" / "data").iterdir()
    data.unlink()

    with pytest.raises(SnapshotError, match="import it again"):
        published.lookup([("Debian", "openssl")])


def test_forcing_an_import_recovers_from_a_damaged_pointer(snapshots: Snapshots, tmp_path: Path) -> None:
    put(snapshots, "Debian", debian(1))
    (tmp_path / "advisories" / "current").write_text("nonsense")

    with pytest.raises(SnapshotError, match="does not hold a digest"):
        put(snapshots, "PyPI", pypi(1))
    assert put(snapshots, "PyPI", pypi(1), force=True).basis().ecosystems == ("PyPI",)


def test_forcing_an_import_recovers_from_a_damaged_clock(snapshots: Snapshots, tmp_path: Path) -> None:
    put(snapshots, "Debian", debian(1))
    (tmp_path / "advisories" / "highest-time").write_text("noon")

    with pytest.raises(SnapshotError, match="does not hold a time"):
        snapshots.observe(NOW)
    put(snapshots, "Debian", debian(1), force=True)
    assert snapshots.observe(NOW) == NOW


def test_data_that_is_gone_cannot_be_published(snapshots: Snapshots, tmp_path: Path) -> None:
    staged = snapshots.stage("PyPI", [pypi(1)], NOW)
    for file in (tmp_path / "advisories" / "data").iterdir():
        file.unlink()

    with pytest.raises(SnapshotError, match="gone already"):
        snapshots.publish([staged], NOW)


class TestPruning:
    """Old snapshots go, and the data that no other one holds."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        return tmp_path / "advisories"

    @pytest.fixture
    def daily(self, snapshots: Snapshots, folder: Path) -> list[Snapshot]:
        """Four days of Debian, and PyPI of the first day in all of them. Files are as old as the clock says."""
        published = [put(snapshots, "PyPI", pypi(1))]
        for day in range(4):
            now = NOW + day * DAY
            published.append(put(snapshots, "Debian", *(debian(number) for number in range(day + 1)), now=now))
            age(folder, now)
        return published

    def test_what_is_older_goes_with_the_data_that_no_other_holds(
        self, snapshots: Snapshots, folder: Path, daily: list[Snapshot]
    ) -> None:
        told = snapshots.prune((), 1, NOW + 3 * DAY, dry_run=True)
        before = files(folder / "data")
        pruned = snapshots.prune((), 1, NOW + 3 * DAY)

        assert pruned == told
        assert (pruned.snapshots, pruned.files, pruned.size > 0) == (3, 2, True)
        assert set(before) - set(files(folder / "data")) == {data_of(one, "Debian") for one in daily[1:3]}
        assert snapshots.current() == daily[-1]
        for one in daily[3:]:
            assert set(one.lookup([("Debian", "openssl"), ("PyPI", "jinja2")])) == {
                ("Debian", "openssl"),
                ("PyPI", "jinja2"),
            }
        with pytest.raises(SnapshotError, match="it was pruned"):
            snapshots.open(daily[2].digest)
        assert snapshots.prune((), 1, NOW + 3 * DAY) == Pruned()

    def test_of_each_day_but_the_newest_the_last_is_kept(self, snapshots: Snapshots, folder: Path) -> None:
        hourly: list[Snapshot] = []
        for hour in range(0, 72, 12):
            now = NOW + timedelta(hours=hour)
            hourly.append(put(snapshots, "Debian", *(debian(number) for number in range(hour + 1)), now=now))
            age(folder, now)

        pruned = snapshots.prune((), 30, NOW + timedelta(hours=72))

        kept = [one.made_at for one in hourly if (folder / "data" / data_of(one, "Debian")).exists()]
        # NOW is noon: a day has its noon and the midnight before.
        assert kept == [NOW + timedelta(hours=hour) for hour in (0, 24, 48, 60)]
        assert (pruned.snapshots, pruned.files) == (2, 2)

    def test_what_a_verdict_names_stays_however_old(self, snapshots: Snapshots, daily: list[Snapshot]) -> None:
        assert snapshots.prune((daily[1].digest,), 1, NOW + 30 * DAY).snapshots == 3

        assert snapshots.open(daily[1].digest).lookup([("Debian", "openssl")])
        assert snapshots.current() == daily[-1]

    def test_what_was_written_just_now_and_is_not_published_yet_stays(
        self, snapshots: Snapshots, folder: Path, daily: list[Snapshot]
    ) -> None:
        staged = snapshots.stage("Debian", [debian(number) for number in range(9)], NOW + 4 * DAY)

        snapshots.prune((), 1, NOW + 4 * DAY)

        assert snapshots.publish([staged], NOW + 4 * DAY).lookup([("Debian", "openssl")])
        age(folder, NOW + 4 * DAY)

    def test_what_a_crash_left_goes_as_well(self, snapshots: Snapshots, folder: Path, daily: list[Snapshot]) -> None:
        (folder / "data" / ".new-half").write_bytes(b"half")
        (folder / "data" / f"{'0' * 64}.sqlite").write_bytes(b"its document went before it")
        age(folder, NOW)

        assert snapshots.prune([one.digest for one in daily], 1, NOW + 2 * DAY) == Pruned(0, 2, 31)

    def test_where_the_one_in_force_is_damaged_nothing_is_removed(
        self, snapshots: Snapshots, folder: Path, daily: list[Snapshot]
    ) -> None:
        (folder / "snapshots" / f"{daily[-1].digest.hex}.json").write_bytes(b"{}")
        before = files(folder / "data")

        with pytest.raises(SnapshotError, match="damaged"):
            snapshots.prune((), 1, NOW + 30 * DAY)

        assert files(folder / "data") == before

    def test_without_any_there_is_nothing_to_remove(self, snapshots: Snapshots) -> None:
        assert snapshots.prune((), 1, NOW) == Pruned()


def data_of(snapshot: Snapshot, ecosystem: str) -> str:
    feed = snapshot.feed(ecosystem)
    assert feed is not None
    return f"{feed.data.hex}.sqlite"


def age(folder: Path, now: datetime) -> None:
    """Let the files that were written really now be written at `now`."""
    for path in (folder / "data").iterdir():
        if path.stat().st_mtime > NOW.timestamp() + 60 * DAY.total_seconds():
            os.utime(path, (now.timestamp(), now.timestamp()))
