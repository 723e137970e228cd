"""What is known beside advisories: taken in from files and addresses, and kept in the same snapshots."""

import gzip
import json
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from config.settings import Feeds
from config.vocabulary import Support
from proxy.feeds.fetch import Sources, update
from proxy.feeds.importer import import_path
from proxy.feeds.report import FeedError, FeedReport, Outcome
from proxy.feeds.supplements import Supplement, recognise
from scanning.facts import OsRelease
from storage.errors import SnapshotError
from storage.snapshot import Snapshot
from storage.snapshots import Snapshots
from tests.scanning.advisories.records import affected, fixed, record
from tests.scanning.advisories.test_exploitation import SCORES, catalogue, entry
from tests.scanning.advisories.test_lifecycle import DEBIAN, UBUNTU

NOW = datetime(2026, 11, 26, 18, tzinfo=UTC)
LATER = NOW + timedelta(days=1)
BOOKWORM = OsRelease("debian", "12", "bookworm")
FULL = json.dumps(
    {
        "schema_version": "1.2.0",
        "generated_at": "2026-11-26T00:00:00Z",
        "result": [
            {"name": "alpine-linux", "releases": [{"name": "3.20", "isEol": True, "eolFrom": "2026-04-01"}]},
            {"name": "debian", "releases": [{"name": "12", "isEol": True, "eolFrom": "2026-07-11"}]},
        ],
    }
).encode()
FILES = {
    "kev.json": catalogue(entry()),
    "epss_scores-2026-11-26.csv.gz": gzip.compress("".join(SCORES).encode()),
    "debian.csv": DEBIAN,
    "ubuntu.csv": UBUNTU,
}


@pytest.fixture
def snapshots(tmp_path: Path) -> Snapshots:
    return Snapshots(tmp_path / "state")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    return folder


def present(snapshots: Snapshots) -> Snapshot:
    snapshot = snapshots.current()
    assert snapshot is not None
    return snapshot


def outcomes(report: FeedReport) -> dict[str, Outcome]:
    return {result.ecosystem: result.outcome for result in report.results}


def test_a_folder_holds_all_kinds_beside_advisories(folder: Path, snapshots: Snapshots) -> None:
    (folder / "DSA-1-1.json").write_bytes(record("DSA-1-1", affected("Debian:12", "x", fixed("2"))))

    report = import_path(folder, snapshots, NOW)

    assert {result.ecosystem: result.records for result in report.results} == {
        "Debian": 1,
        "KEV": 1,
        "EPSS": 2,
        "end of life: debian": 7,
        "end of life: ubuntu": 4,
    }
    snapshot = present(snapshots)
    assert list(snapshot.exploited(["CVE-2026-1000", "CVE-2026-9"])) == ["CVE-2026-1000"]
    assert snapshot.forecasts(["CVE-2026-1000"])["CVE-2026-1000"].probability == 0.94475
    bookworm = snapshot.release(BOOKWORM)
    assert bookworm is not None
    assert bookworm.end(Support.LONG_TERM).day == date(2028, 6, 30)
    assert snapshot.basis().ecosystems == ("Debian",)
    assert (snapshot.basis().exploited_at, snapshot.basis().forecasts_at) == (NOW, NOW)


@pytest.mark.parametrize("name", FILES)
def test_one_file_is_taken_in_alone_whatever_it_is_called_unless_only_its_name_says_whose_it_is(
    folder: Path, snapshots: Snapshots, name: str
) -> None:
    assert not import_path(folder / name, snapshots, NOW).failed
    assert len(present(snapshots).supplements) == 1


def test_unpacked_forecasts_and_endoflife_are_known_too(tmp_path: Path, snapshots: Snapshots) -> None:
    (tmp_path / "scores.csv").write_text("".join(SCORES))
    (tmp_path / "download.json").write_bytes(FULL)
    (tmp_path / "rhel.json").write_text(json.dumps([{"cycle": "7", "eol": "2024-06-30"}], indent=1))

    report = import_path(tmp_path, snapshots, NOW)

    assert set(outcomes(report)) == {"EPSS", "end of life: alpine", "end of life: debian", "end of life: rhel"}
    alpine = present(snapshots).release(OsRelease("alpine", "3.20.5"))
    assert alpine is not None
    assert alpine.standard.day == date(2026, 4, 1)


def test_importing_advisories_keeps_what_is_known_besides_and_the_other_way_round(
    folder: Path, tmp_path: Path, snapshots: Snapshots
) -> None:
    import_path(folder / "debian.csv", snapshots, NOW)
    (tmp_path / "DSA-1-1.json").write_bytes(record("DSA-1-1", affected("Debian:12", "x", fixed("2"))))
    import_path(tmp_path / "DSA-1-1.json", snapshots, NOW)
    import_path(folder / "kev.json", snapshots, LATER)

    snapshot = present(snapshots)

    assert [feed.ecosystem for feed in snapshot.feeds] == ["Debian"]
    assert [feed.ecosystem for feed in snapshot.supplements] == ["KEV", "end of life: debian"]
    assert snapshot.basis().fetched_at == NOW


def test_an_old_snapshot_answers_as_it_did(folder: Path, snapshots: Snapshots) -> None:
    import_path(folder / "kev.json", snapshots, NOW)
    old = present(snapshots)
    (folder / "kev.json").write_bytes(catalogue(entry(), entry("CVE-2026-1001")))
    import_path(folder / "kev.json", snapshots, LATER)

    assert present(snapshots).exploited(["CVE-2026-1001"])
    assert snapshots.open(old.digest).exploited(["CVE-2026-1001"]) == {}


def test_t78_an_older_or_shorter_catalogue_is_refused(folder: Path, snapshots: Snapshots) -> None:
    (folder / "kev.json").write_bytes(catalogue(entry(), entry("CVE-2026-1001"), entry("CVE-2026-1002")))
    import_path(folder / "kev.json", snapshots, NOW)
    older = catalogue(entry(), entry("CVE-2026-1001"), dateReleased="2026-11-01T00:00:00Z")

    for content, why in ((older, "looks rolled back"), (catalogue(entry()), "looks cut short")):
        (folder / "kev.json").write_bytes(content)
        (result,) = import_path(folder / "kev.json", snapshots, LATER).results
        assert (result.outcome, why in result.problem) == (Outcome.FAILED, True)
    assert present(snapshots).exploited(["CVE-2026-1002"])


def test_ends_in_the_future_make_no_later_list_look_older(folder: Path, snapshots: Snapshots) -> None:
    import_path(folder / "debian.csv", snapshots, NOW)
    (folder / "debian.csv").write_bytes(DEBIAN.replace(b"2033-06-30", b"2030-06-30"))

    assert not import_path(folder / "debian.csv", snapshots, LATER).failed


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("kev.json", FILES["kev.json"][:-5], "not a KEV catalogue"),
        ("kev.json", catalogue(entry(), entry()), "holds CVE-2026-1000 twice"),
        ("kev.json", catalogue(), "nothing in it"),
        ("epss.csv.gz", FILES["epss_scores-2026-11-26.csv.gz"][:-9], "is damaged"),
        ("debian.csv", DEBIAN.replace(b"2026-07-11", b"soon"), "not a list of releases"),
        ("list.csv", DEBIAN, "neither debian nor ubuntu"),
    ],
)
def test_t77_what_is_damaged_is_told_and_the_rest_is_taken_in(
    folder: Path, snapshots: Snapshots, name: str, content: bytes, why: str
) -> None:
    for path in folder.iterdir():
        path.unlink()
    (folder / name).write_bytes(content)
    (folder / "ubuntu.csv").write_bytes(UBUNTU)

    report = import_path(folder, snapshots, NOW)

    failed = [result for result in report.results if result.outcome is Outcome.FAILED]
    assert [why in result.problem for result in failed] == [True]
    assert [feed.ecosystem for feed in present(snapshots).supplements] == ["end of life: ubuntu"]


def test_a_damaged_data_file_is_no_silence(folder: Path, snapshots: Snapshots, tmp_path: Path) -> None:
    import_path(folder / "kev.json", snapshots, NOW)
    (data,) = (tmp_path / "state" / "data").iterdir()
    data.write_bytes(b"")

    with pytest.raises(SnapshotError, match="missing or damaged"):
        present(snapshots).exploited(["CVE-2026-1000"])


def test_files_that_are_something_else_are_not_taken_for_these(tmp_path: Path) -> None:
    for number, content in enumerate((b"", b"{}", b"[]", record("GHSA-1"), b"a,b,c\n1,2,3\n", b"\x1f\x8b\x00\x00")):
        (path := tmp_path / str(number)).write_bytes(content)
        if content.startswith(b"\x1f\x8b"):
            with pytest.raises(FeedError, match="cannot be read"):
                recognise(path)
        else:
            assert recognise(path) is None


class Publishers:
    """The addresses at which the files are published."""

    def __init__(self) -> None:
        self.files = {
            "/kev.json": FILES["kev.json"],
            "/epss.csv.gz": FILES["epss_scores-2026-11-26.csv.gz"],
            "/full": FULL,
        }
        self.unchanged = 0

    async def answer(self, request: web.Request) -> web.Response:
        content = self.files.get(request.path)
        if content is None:
            return web.Response(status=404)
        if request.headers.get("If-None-Match") == f'"{len(content)}"':
            self.unchanged += 1
            return web.Response(status=304)
        return web.Response(body=content, headers={"ETag": f'"{len(content)}"'})


@pytest.fixture
def publishers() -> Publishers:
    return Publishers()


@pytest.fixture
async def sources(publishers: Publishers) -> AsyncIterator[Sources]:
    app = web.Application()
    app.router.add_get("/{name:.*}", publishers.answer)
    async with TestServer(app) as server:
        base = str(server.make_url("")).rstrip("/")
        yield Sources.of(
            Feeds(
                url=base,
                ecosystems=("Debian",),
                kev_url=f"{base}/kev.json",
                epss_url=f"{base}/epss.csv.gz",
                end_of_life_url=f"{base}/full",
            )
        )


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as opened:
        yield opened


async def test_an_update_fetches_what_changed_and_what_fails_keeps_the_last_good_data(
    sources: Sources, snapshots: Snapshots, session: aiohttp.ClientSession, publishers: Publishers
) -> None:
    first = await update(sources, snapshots, session, NOW)

    assert outcomes(first) == {
        "Debian": Outcome.FAILED,
        "KEV": Outcome.UPDATED,
        "EPSS": Outcome.UPDATED,
        "end of life": Outcome.UPDATED,
    }
    publishers.files["/kev.json"] = catalogue(entry(), entry("CVE-2026-1001"))
    del publishers.files["/epss.csv.gz"]
    second = await update(sources, snapshots, session, LATER)

    assert outcomes(second) == {
        "Debian": Outcome.FAILED,
        "KEV": Outcome.UPDATED,
        "EPSS": Outcome.FAILED,
        "end of life": Outcome.UNCHANGED,
    }
    assert publishers.unchanged == 1
    snapshot = present(snapshots)
    assert {feed.ecosystem: feed.fetched_at for feed in snapshot.supplements} == {
        "KEV": LATER,
        "EPSS": NOW,
        "end of life: alpine": LATER,
        "end of life: debian": LATER,
    }
    assert snapshot.forecasts(["CVE-2026-1000"])
    assert snapshot.exploited(["CVE-2026-1001"])


async def test_t77_a_page_in_place_of_the_file_changes_nothing(
    sources: Sources, snapshots: Snapshots, session: aiohttp.ClientSession, publishers: Publishers
) -> None:
    publishers.files = dict.fromkeys(publishers.files, b"<html>log in first</html>")

    report = await update(sources, snapshots, session, NOW)

    assert set(outcomes(report).values()) == {Outcome.FAILED}
    assert snapshots.current() is None


def test_an_address_left_empty_is_not_asked() -> None:
    assert Sources.of(Feeds(kev_url="", epss_url="", end_of_life_url="")).supplements == {}
    assert set(Sources.of(Feeds()).supplements) == set(Supplement)
