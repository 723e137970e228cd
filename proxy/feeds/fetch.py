"""Advisories from a feed laid out like OSV's public bucket, `<base>/<ECOSYSTEM>/all.zip`, and what is known besides.

A fetch that fails, for whatever reason, leaves the last good data in force and says so.
"""

import asyncio
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from http import HTTPStatus
from typing import BinaryIO, Self

import aiohttp
from yarl import URL

from config.errors import ImagegateError
from config.settings import Feeds
from proxy.feeds.archive import advisories, read_archive
from proxy.feeds.importer import counted
from proxy.feeds.report import EcosystemResult, FeedError, FeedReport, Outcome, Progress, no_progress
from proxy.feeds.supplements import Supplement
from proxy.feeds.supplements import stage as stage_supplement
from storage.snapshot import Feed, Snapshot
from storage.snapshots import Snapshots

_CHUNK = 1024 * 1024
_REDIRECTS = frozenset(
    {
        HTTPStatus.MOVED_PERMANENTLY,
        HTTPStatus.FOUND,
        HTTPStatus.SEE_OTHER,
        HTTPStatus.TEMPORARY_REDIRECT,
        HTTPStatus.PERMANENT_REDIRECT,
    }
)
_MOST_REDIRECTS = 3


@dataclass(frozen=True, slots=True)
class Sources:
    """What to fetch from where: archives of `ecosystems` below `base_url`, and files of the other kinds."""

    base_url: str
    ecosystems: Sequence[str]
    supplements: Mapping[Supplement, str] = field(default_factory=dict)

    @classmethod
    def of(cls, feeds: Feeds) -> Self:
        """All that the settings name."""
        addresses = {
            Supplement.EXPLOITED: feeds.kev_url,
            Supplement.FORECASTS: feeds.epss_url,
            Supplement.END_OF_LIFE: feeds.end_of_life_url,
        }
        return cls(feeds.url, feeds.ecosystems, {kind: url for kind, url in addresses.items() if url})


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is fetched: `archive_bytes` of one archive, within `seconds`, never silent for `silent_seconds`."""

    archive_bytes: int = 1024**3
    seconds: float = 1800.0
    silent_seconds: float = 30.0


@dataclass(frozen=True, slots=True)
class _Answer:
    """What the feed answered: `unchanged`, or an archive and how to ask for a newer one."""

    unchanged: bool
    etag: str = ""
    last_modified: str = ""


@dataclass(frozen=True, slots=True)
class _Outcome:
    result: EcosystemResult
    feeds: tuple[Feed, ...] = ()


@dataclass(frozen=True, slots=True)
class _Wanted:
    """One document to fetch. `source` is what its feeds name as where they came from, `known` those of the present
    snapshot. `stage` takes it in.
    """

    name: str
    address: URL
    source: str
    known: tuple[Feed, ...]
    stage: Callable[[BinaryIO], tuple[EcosystemResult, tuple[Feed, ...]]]


def feed_session() -> aiohttp.ClientSession:
    """A session for `update`, without cookies or credentials. Make it inside the event loop, and close it there."""
    return aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())


async def update(
    sources: Sources,
    snapshots: Snapshots,
    session: aiohttp.ClientSession,
    now: datetime,
    *,
    force: bool = False,
    limits: Limits | None = None,
    progress: Progress = no_progress,
) -> FeedReport:
    """Fetch from each source what changed since it was last fetched from there, and put all in force together.

    What cannot be fetched or read, or looks rolled back, is reported as failed and keeps its previous data. `force`
    fetches unchanged data too and accepts what looks older or cut short. Raises `FeedError` for an address that cannot
    be used, and the `StorageError` family.
    """
    updater = _Updater(_base(sources.base_url), snapshots, session, now, force, limits or Limits(), progress)
    present = await asyncio.to_thread(snapshots.current) if not force else None
    wanted = [updater.advisories(ecosystem, present) for ecosystem in sources.ecosystems]
    wanted += [updater.supplement(kind, _base(address), present) for kind, address in sources.supplements.items()]
    outcomes = [await updater.take_in(one) for one in wanted]
    feeds = [feed for outcome in outcomes for feed in outcome.feeds]
    if feeds:
        present = await asyncio.to_thread(snapshots.publish, feeds, now, force=force)
    elif force:
        present = await asyncio.to_thread(snapshots.current)
    return FeedReport(present, tuple(outcome.result for outcome in outcomes))


@dataclass(frozen=True, slots=True)
class _Updater:
    """One update: what all its ecosystems share."""

    base: URL
    snapshots: Snapshots
    session: aiohttp.ClientSession
    now: datetime
    force: bool
    limits: Limits
    progress: Progress

    def advisories(self, ecosystem: str, present: Snapshot | None) -> _Wanted:
        """The advisories of one ecosystem."""
        known = present.feed(ecosystem) if present else None
        address = self.base / ecosystem / "all.zip"

        def stage(file: BinaryIO) -> tuple[EcosystemResult, tuple[Feed, ...]]:
            skipped: list[FeedError] = []
            records = advisories(read_archive(file, str(address)), skipped.append if self.force else None)
            told = counted(records, ecosystem, self.progress)
            feed = self.snapshots.stage(ecosystem, told, self.now, force=self.force)
            return EcosystemResult(ecosystem, Outcome.UPDATED, feed.records, len(skipped)), (feed,)

        return _Wanted(ecosystem, address, str(self.base), (known,) if known else (), stage)

    def supplement(self, kind: Supplement, address: URL, present: Snapshot | None) -> _Wanted:
        """What is known besides."""
        known = tuple(feed for feed in (present.supplements if present else ()) if kind.covers(feed))

        def stage(file: BinaryIO) -> tuple[EcosystemResult, tuple[Feed, ...]]:
            feeds = stage_supplement(kind, file, str(address), self.snapshots, self.now, force=self.force)
            return EcosystemResult(kind, Outcome.UPDATED, sum(feed.records for feed in feeds)), tuple(feeds)

        return _Wanted(kind, address, str(address), known, stage)

    async def take_in(self, wanted: _Wanted) -> _Outcome:
        """Fetch and stage one document; a failure is an outcome too."""
        known = tuple(feed for feed in wanted.known if feed.source == wanted.source)
        try:
            with tempfile.TemporaryFile(dir=await asyncio.to_thread(self.snapshots.workspace)) as file:
                answer = await self._fetch(wanted, known, file)
                if answer.unchanged:
                    feeds = [await asyncio.to_thread(self.snapshots.renew, feed, self.now) for feed in known]
                    records = sum(feed.records for feed in feeds)
                    return _Outcome(EcosystemResult(wanted.name, Outcome.UNCHANGED, records), tuple(feeds))
                result, staged = await asyncio.to_thread(wanted.stage, file)
                return _Outcome(result, tuple(_came_from(wanted, answer, feed) for feed in staged))
        except (ImagegateError, aiohttp.ClientError, TimeoutError, OSError) as error:
            return _Outcome(EcosystemResult(wanted.name, Outcome.FAILED, problem=_sentence(wanted, error)))

    async def _fetch(self, wanted: _Wanted, known: Sequence[Feed], file: BinaryIO) -> _Answer:
        url = wanted.address
        headers = {"Accept-Encoding": "identity"}
        for feed in known[:1]:
            headers |= {"If-None-Match": feed.etag} if feed.etag else {}
            headers |= {"If-Modified-Since": feed.last_modified} if feed.last_modified else {}
        async with asyncio.timeout(self.limits.seconds):
            for _hop in range(_MOST_REDIRECTS + 1):
                async with self.session.get(
                    url, headers=headers, allow_redirects=False, timeout=self._timeout()
                ) as response:
                    if response.status in _REDIRECTS:
                        url = _followed(url, response, wanted.address)
                        continue
                    return await self._receive(wanted, known, response, file)
        raise FeedError(f"{wanted.address} redirects more than {_MOST_REDIRECTS} times")

    def _timeout(self) -> aiohttp.ClientTimeout:
        silent = self.limits.silent_seconds
        return aiohttp.ClientTimeout(total=None, sock_connect=silent, sock_read=silent)

    async def _receive(
        self, wanted: _Wanted, known: Sequence[Feed], response: aiohttp.ClientResponse, file: BinaryIO
    ) -> _Answer:
        if response.status == HTTPStatus.NOT_MODIFIED and known:
            return _Answer(unchanged=True)
        if response.status != HTTPStatus.OK:
            raise FeedError(
                f"{response.url} answers {response.status} {response.reason}. "
                f"The last good {wanted.name} data stays in force"
            )
        received, expected = 0, response.content_length or 0
        self._check_size(response.url, expected)
        async for chunk in response.content.iter_chunked(_CHUNK):
            received += len(chunk)
            self._check_size(response.url, received)
            await asyncio.to_thread(file.write, chunk)
            self.progress(f"{wanted.name} (fetching)", received, expected)
        etag, modified = response.headers.get("ETag", ""), response.headers.get("Last-Modified", "")
        return _Answer(unchanged=False, etag=etag, last_modified=modified)

    def _check_size(self, url: URL, size: int) -> None:
        if size > self.limits.archive_bytes:
            raise FeedError(f"{url} is larger than {self.limits.archive_bytes} bytes: it is not an advisory archive")


def _came_from(wanted: _Wanted, answer: _Answer, feed: Feed) -> Feed:
    return replace(feed, source=wanted.source, etag=answer.etag, last_modified=answer.last_modified)


def _sentence(wanted: _Wanted, error: Exception) -> str:
    if isinstance(error, ImagegateError):
        return str(error)
    reason = str(error) or f"no answer in time ({type(error).__name__})"
    return f"{wanted.address} cannot be fetched: {reason}. The last good {wanted.name} data stays in force"


def _followed(url: URL, response: aiohttp.ClientResponse, asked: URL) -> URL:
    """Where a redirect leads: only within the origin the operator named."""
    try:
        target = url.join(URL(response.headers.get("Location", "")))
        same = target.origin() == asked.origin()
    except ValueError as error:
        raise FeedError(f"{url} redirects to what is no address: {error}") from error
    if not same:
        raise FeedError(
            f"{url} redirects to another origin, {target.origin()}: it is not followed. "
            "If that is the feed's new address, put it in the configuration"
        )
    return target


def _base(text: str) -> URL:
    try:
        url = URL(text)
    except ValueError as error:
        raise FeedError(f"{text!r} is not the address of a feed: {error}") from error
    if url.scheme not in ("http", "https") or not url.host or url.user or url.query_string:
        raise FeedError(
            f"{url.with_user(None) if url.host else text!r} is not the address of a feed: "
            "expected http(s)://host/path, without credentials or query"
        )
    return url
