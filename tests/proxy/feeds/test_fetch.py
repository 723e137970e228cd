"""Fetching advisories: what changed is taken in, what fails leaves the last good data in force."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port

from proxy.feeds.fetch import Limits, Sources, update
from proxy.feeds.report import FeedError, FeedReport, Outcome
from storage.snapshots import Snapshots
from tests.proxy.feeds.feed_server import FeedServer, archive, serving
from tests.scanning.advisories.records import affected, fixed, record

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
LATER = NOW + timedelta(days=1)


def debian(*numbers: int) -> bytes:
    return archive({f"DSA-{n}-1.json": record(f"DSA-{n}-1", affected("Debian:12", "x", fixed("2"))) for n in numbers})


def pypi(*numbers: int) -> bytes:
    return archive({f"PYSEC-{n}.json": record(f"PYSEC-{n}", affected("PyPI", "x", fixed("2"))) for n in numbers})


@pytest.fixture
def snapshots(tmp_path: Path) -> Snapshots:
    return Snapshots(tmp_path / "advisories")


@pytest.fixture
def feed() -> FeedServer:
    return FeedServer({"Debian": debian(1, 2), "PyPI": pypi(1)})


@pytest.fixture
async def url(feed: FeedServer) -> AsyncIterator[str]:
    async with serving(feed) as base:
        yield base


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as opened:
        yield opened


def outcomes(report: FeedReport) -> dict[str, Outcome]:
    return {result.ecosystem: result.outcome for result in report.results}


def problem(report: FeedReport) -> str:
    (result,) = report.results
    assert result.outcome is Outcome.FAILED
    return result.problem


async def test_an_update_puts_every_ecosystem_in_force_together(
    url: str, snapshots: Snapshots, session: aiohttp.ClientSession
) -> None:
    report = await update(Sources(url, ["Debian", "PyPI"]), snapshots, session, NOW)

    assert outcomes(report) == {"Debian": Outcome.UPDATED, "PyPI": Outcome.UPDATED}
    assert [result.records for result in report.results] == [2, 1]
    assert not report.failed
    assert report.snapshot == snapshots.current()
    assert report.snapshot is not None
    assert report.snapshot.basis().fetched_at == NOW
    assert [one.source for one in report.snapshot.feeds] == [url, url]


async def test_what_did_not_change_is_not_fetched_again_but_is_fresh(
    url: str, snapshots: Snapshots, session: aiohttp.ClientSession, feed: FeedServer
) -> None:
    before = (await update(Sources(url, ["Debian", "PyPI"]), snapshots, session, NOW)).snapshot
    feed.archives["PyPI"] = pypi(1, 2)

    report = await update(Sources(url, ["Debian", "PyPI"]), snapshots, session, LATER)

    assert outcomes(report) == {"Debian": Outcome.UNCHANGED, "PyPI": Outcome.UPDATED}
    assert before is not None
    assert report.snapshot is not None
    assert report.snapshot.feeds[0].data == before.feeds[0].data
    assert report.snapshot.basis().fetched_at == LATER


async def test_forcing_fetches_unchanged_data_too(
    url: str, snapshots: Snapshots, session: aiohttp.ClientSession
) -> None:
    await update(Sources(url, ["Debian"]), snapshots, session, NOW)

    assert outcomes(await update(Sources(url, ["Debian"]), snapshots, session, LATER, force=True)) == {
        "Debian": Outcome.UPDATED
    }


async def test_another_feed_is_not_asked_with_the_first_ones_etag(
    url: str, snapshots: Snapshots, session: aiohttp.ClientSession, feed: FeedServer
) -> None:
    await update(Sources(url, ["Debian"]), snapshots, session, NOW)
    async with serving(FeedServer(feed.archives)) as mirror:
        report = await update(Sources(mirror, ["Debian"]), snapshots, session, LATER)

    assert outcomes(report) == {"Debian": Outcome.UPDATED}


@pytest.mark.parametrize("status", [403, 404, 429, 500, 503])
async def test_t77_a_feed_that_refuses_leaves_the_last_good_data(
    url: str, snapshots: Snapshots, session: aiohttp.ClientSession, feed: FeedServer, status: int
) -> None:
    before = (await update(Sources(url, ["Debian"]), snapshots, session, NOW)).snapshot
    feed.status = status

    report = await update(Sources(url, ["Debian"]), snapshots, session, LATER)

    assert f"answers {status}" in problem(report)
    assert report.snapshot == before == snapshots.current()


async def test_t77_a_feed_that_is_down_leaves_the_last_good_data(
    url: str, snapshots: Snapshots, session: aiohttp.ClientSession
) -> None:
    before = (await update(Sources(url, ["Debian"]), snapshots, session, NOW)).snapshot

    report = await update(Sources(f"http://127.0.0.1:{unused_port()}", ["Debian"]), snapshots, session, LATER)

    assert "cannot be fetched" in problem(report)
    assert "last good Debian data stays" in problem(report)
    assert report.snapshot == before == snapshots.current()


async def test_t77_one_ecosystem_that_fails_does_not_hold_up_the_others(
    url: str, snapshots: Snapshots, session: aiohttp.ClientSession
) -> None:
    report = await update(Sources(url, ["Debian", "npm", "PyPI"]), snapshots, session, NOW)

    assert outcomes(report) == {"Debian": Outcome.UPDATED, "npm": Outcome.FAILED, "PyPI": Outcome.UPDATED}
    assert report.failed
    assert report.snapshot is not None
    assert report.snapshot.basis().ecosystems == ("Debian", "PyPI")


async def test_t77_an_archive_cut_short_leaves_the_last_good_data(
    url: str, snapshots: Snapshots, session: aiohttp.ClientSession, feed: FeedServer
) -> None:
    feed.truncate = True

    report = await update(Sources(url, ["Debian"]), snapshots, session, NOW)

    assert "cannot be fetched" in problem(report)
    assert report.snapshot is None


async def test_t77_a_feed_that_falls_silent_is_given_up(snapshots: Snapshots, session: aiohttp.ClientSession) -> None:
    released = asyncio.Event()

    async def silent(_request: web.Request) -> web.Response:
        await released.wait()
        return web.Response()

    app = web.Application()
    app.router.add_get("/Debian/all.zip", silent)
    async with TestServer(app) as server:
        base = str(server.make_url(""))
        report = await update(Sources(base, ["Debian"]), snapshots, session, NOW, limits=Limits(silent_seconds=0.05))
        released.set()

    assert "cannot be fetched" in problem(report)


async def test_t77_a_feed_that_never_ends_is_given_up(snapshots: Snapshots, session: aiohttp.ClientSession) -> None:
    async def trickle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while request.transport is not None and not request.transport.is_closing():
            await response.write(b"P")
            await asyncio.sleep(0.01)
        return response

    app = web.Application()
    app.router.add_get("/Debian/all.zip", trickle)
    async with TestServer(app) as server:
        base = str(server.make_url(""))
        report = await update(Sources(base, ["Debian"]), snapshots, session, NOW, limits=Limits(seconds=0.2))

    assert "no answer in time" in problem(report)


@pytest.mark.parametrize("content", [b"", b"<html>captive portal</html>", debian(1)[:-30]])
async def test_t77_what_is_no_archive_leaves_the_last_good_data(
    url: str, snapshots: Snapshots, session: aiohttp.ClientSession, feed: FeedServer, content: bytes
) -> None:
    feed.archives["Debian"] = content

    assert "not a whole zip archive" in problem(await update(Sources(url, ["Debian"]), snapshots, session, NOW))
    assert snapshots.current() is None


async def test_t77_a_malformed_record_is_named_and_refuses_the_archive(
    url: str, snapshots: Snapshots, session: aiohttp.ClientSession, feed: FeedServer
) -> None:
    feed.archives["PyPI"] = archive({"a.json": record("PYSEC-1", affected("PyPI", "x", fixed("2"))), "b.json": b"{"})

    assert "b.json" in problem(await update(Sources(url, ["PyPI"]), snapshots, session, NOW))
    (result,) = (await update(Sources(url, ["PyPI"]), snapshots, session, NOW, force=True)).results
    assert (result.outcome, result.records, result.skipped) == (Outcome.UPDATED, 1, 1)


async def test_t78_a_shrunken_feed_is_refused_and_the_old_data_stays(
    url: str, snapshots: Snapshots, session: aiohttp.ClientSession, feed: FeedServer
) -> None:
    feed.archives["Debian"] = debian(1, 2, 3)
    before = (await update(Sources(url, ["Debian"]), snapshots, session, NOW)).snapshot
    feed.archives["Debian"] = debian(1)

    report = await update(Sources(url, ["Debian"]), snapshots, session, LATER)

    assert "looks cut short" in problem(report)
    assert report.snapshot == before == snapshots.current()
    assert not (await update(Sources(url, ["Debian"]), snapshots, session, LATER, force=True)).failed


async def test_t84_a_redirect_to_another_origin_is_not_followed(
    url: str, snapshots: Snapshots, session: aiohttp.ClientSession, feed: FeedServer
) -> None:
    elsewhere = FeedServer({"Debian": debian(1)})
    async with serving(elsewhere) as other:
        feed.redirect = f"{other}/{{ecosystem}}/all.zip"
        report = await update(Sources(url, ["Debian"]), snapshots, session, NOW)

    assert "redirects to another origin" in problem(report)
    assert elsewhere.requests == []
    assert snapshots.current() is None


@pytest.mark.parametrize(
    "location", ["file:///etc/passwd", "//169.254.169.254/all.zip", "https:all.zip", "http://[", ""]
)
async def test_t84_odd_redirects_are_not_followed(
    url: str, snapshots: Snapshots, session: aiohttp.ClientSession, feed: FeedServer, location: str
) -> None:
    async def redirect(_request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": location})

    app = web.Application()
    app.router.add_get("/Debian/all.zip", redirect)
    async with TestServer(app) as server:
        report = await update(Sources(str(server.make_url("")), ["Debian"]), snapshots, session, NOW)

    assert report.failed
    assert snapshots.current() is None


async def test_a_redirect_within_the_origin_is_followed(
    url: str, snapshots: Snapshots, session: aiohttp.ClientSession, feed: FeedServer
) -> None:
    async def moved(request: web.Request) -> web.Response:
        return web.Response(status=301, headers={"Location": f"/new{request.path}"})

    async def present(_request: web.Request) -> web.Response:
        return web.Response(body=debian(1))

    app = web.Application()
    app.router.add_get("/Debian/all.zip", moved)
    app.router.add_get("/new/Debian/all.zip", present)
    async with TestServer(app) as server:
        report = await update(Sources(str(server.make_url("")), ["Debian"]), snapshots, session, NOW)

    assert outcomes(report) == {"Debian": Outcome.UPDATED}


async def test_t84_redirects_in_a_circle_end(
    url: str, snapshots: Snapshots, session: aiohttp.ClientSession, feed: FeedServer
) -> None:
    feed.redirect = "/{ecosystem}/all.zip"

    assert "redirects more than 3 times" in problem(await update(Sources(url, ["Debian"]), snapshots, session, NOW))
    assert len(feed.requests) == 4


@pytest.mark.parametrize("announced", [True, False])
async def test_an_archive_beyond_the_limit_is_given_up(
    snapshots: Snapshots, session: aiohttp.ClientSession, announced: bool
) -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "4000000"} if announced else {})
        await response.prepare(request)
        for _ in range(4):
            await response.write(bytes(1_000_000))
        return response

    app = web.Application()
    app.router.add_get("/Debian/all.zip", endless)
    async with TestServer(app) as server:
        base = str(server.make_url(""))
        report = await update(
            Sources(base, ["Debian"]), snapshots, session, NOW, limits=Limits(archive_bytes=3_000_000)
        )

    assert "larger than 3000000 bytes" in problem(report)


async def test_names_with_spaces_are_asked_for_correctly(
    url: str, snapshots: Snapshots, session: aiohttp.ClientSession, feed: FeedServer
) -> None:
    feed.archives["Red Hat"] = archive({"R.json": record("RHSA-1", affected("Red Hat:cpe:/x", "x", fixed("2")))})

    assert outcomes(await update(Sources(url, ["Red Hat"]), snapshots, session, NOW)) == {"Red Hat": Outcome.UPDATED}


@pytest.mark.parametrize(
    "address", ["ftp://feed.test", "feed.test", "http://user:secret@feed.test", "http://feed.test?x"]
)
async def test_an_address_that_is_no_feed_is_refused_without_repeating_secrets(
    snapshots: Snapshots, session: aiohttp.ClientSession, address: str
) -> None:
    with pytest.raises(FeedError, match="is not the address of a feed") as refusal:
        await update(Sources(address, ["Debian"]), snapshots, session, NOW)
    assert "secret" not in str(refusal.value)


async def test_an_update_leaves_nothing_behind(
    url: str, snapshots: Snapshots, session: aiohttp.ClientSession, tmp_path: Path
) -> None:
    await update(Sources(url, ["Debian", "npm"]), snapshots, session, NOW)

    assert {path.name for path in (tmp_path / "advisories").iterdir()} == {
        "current",
        "data",
        "highest-time",
        "lock",
        "snapshots",
    }


async def test_the_real_advisories_over_http(
    testdata: Path, snapshots: Snapshots, session: aiohttp.ClientSession
) -> None:
    names = ("Debian", "PyPI")
    feed = FeedServer({name: (testdata / "osv" / name / "all.zip").read_bytes() for name in names})
    async with serving(feed) as base:
        first = await update(Sources(base, names), snapshots, session, NOW)
        second = await update(Sources(base, names), snapshots, session, LATER)

    assert [(result.ecosystem, result.records) for result in first.results] == [("Debian", 7967), ("PyPI", 2651)]
    assert set(outcomes(second).values()) == {Outcome.UNCHANGED}
    assert second.snapshot is not None
    found = second.snapshot.lookup([("Debian", "openssl"), ("PyPI", "jinja2")])
    assert "DEBIAN-CVE-2026-35189" in {advisory.id for advisory in found["Debian", "openssl"]}
    assert "PYSEC-2019-217" in {advisory.id for advisory in found["PyPI", "jinja2"]}
