"""Advisories from a feed laid out like OSV's public bucket: `<base>/<ECOSYSTEM>/all.zip`.

A fetch that fails, for whatever reason, leaves the last good data in force and says so.
"""

import asyncio
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from http import HTTPStatus
from typing import BinaryIO

import aiohttp
from yarl import URL

from config.errors import ImagegateError
from proxy.feeds.archive import advisories, read_archive
from proxy.feeds.importer import counted
from proxy.feeds.report import EcosystemResult, FeedError, FeedReport, Outcome, Progress, no_progress
from storage.snapshots import Feed, Snapshot, Snapshots

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
    feed: Feed | None = None


def feed_session() -> aiohttp.ClientSession:
    """A session for `update`, without cookies or credentials. Make it inside the event loop, and close it there."""
    return aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())


async def update(
    base_url: str,
    ecosystems: Sequence[str],
    snapshots: Snapshots,
    session: aiohttp.ClientSession,
    now: datetime,
    *,
    force: bool = False,
    limits: Limits | None = None,
    progress: Progress = no_progress,
) -> FeedReport:
    """Fetch each ecosystem that changed since it was last fetched from there, and put all in force together.

    An ecosystem that cannot be fetched or read, or that looks rolled back, is reported as failed and keeps
    its previous data. `force` fetches unchanged data too and accepts what looks older or cut short. Raises
    `FeedError` for an address that cannot be used, and the `StorageError` family.
    """
    updater = _Updater(_base(base_url), snapshots, session, now, force, limits or Limits(), progress)
    present = await asyncio.to_thread(snapshots.current) if not force else None
    outcomes = [await updater.take_in(ecosystem, present) for ecosystem in ecosystems]
    feeds = [outcome.feed for outcome in outcomes if outcome.feed]
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

    async def take_in(self, ecosystem: str, present: Snapshot | None) -> _Outcome:
        """Fetch and stage one ecosystem; a failure is an outcome too."""
        known = present.feed(ecosystem) if present else None
        try:
            with tempfile.TemporaryFile(dir=await asyncio.to_thread(self.snapshots.workspace)) as file:
                answer = await self._fetch(ecosystem, known, file)
                if answer.unchanged and known:
                    feed = await asyncio.to_thread(self.snapshots.renew, known, self.now)
                    return _Outcome(EcosystemResult(ecosystem, Outcome.UNCHANGED, feed.records), feed)
                return await asyncio.to_thread(self._stage, ecosystem, file, answer)
        except (ImagegateError, aiohttp.ClientError, TimeoutError, OSError) as error:
            return _Outcome(EcosystemResult(ecosystem, Outcome.FAILED, problem=self._sentence(ecosystem, error)))

    def _sentence(self, ecosystem: str, error: Exception) -> str:
        if isinstance(error, ImagegateError):
            return str(error)
        reason = str(error) or f"no answer in time ({type(error).__name__})"
        return f"{self._address(ecosystem)} cannot be fetched: {reason}. The last good {ecosystem} data stays in force"

    def _address(self, ecosystem: str) -> URL:
        return self.base / ecosystem / "all.zip"

    async def _fetch(self, ecosystem: str, known: Feed | None, file: BinaryIO) -> _Answer:
        url = self._address(ecosystem)
        headers = {"Accept-Encoding": "identity"}
        if known and known.source == str(self.base):
            headers |= {"If-None-Match": known.etag} if known.etag else {}
            headers |= {"If-Modified-Since": known.last_modified} if known.last_modified else {}
        async with asyncio.timeout(self.limits.seconds):
            for _hop in range(_MOST_REDIRECTS + 1):
                async with self.session.get(
                    url, headers=headers, allow_redirects=False, timeout=self._timeout()
                ) as response:
                    if response.status in _REDIRECTS:
                        url = self._followed(url, response)
                        continue
                    return await self._receive(ecosystem, known, response, file)
        raise FeedError(f"{self._address(ecosystem)} redirects more than {_MOST_REDIRECTS} times")

    def _timeout(self) -> aiohttp.ClientTimeout:
        silent = self.limits.silent_seconds
        return aiohttp.ClientTimeout(total=None, sock_connect=silent, sock_read=silent)

    def _followed(self, url: URL, response: aiohttp.ClientResponse) -> URL:
        """Where a redirect leads: only within the origin the operator named."""
        try:
            target = url.join(URL(response.headers.get("Location", "")))
            same = target.origin() == self.base.origin()
        except ValueError as error:
            raise FeedError(f"{url} redirects to what is no address: {error}") from error
        if not same:
            raise FeedError(
                f"{url} redirects to another origin, {target.origin()}: it is not followed. "
                "If that is the feed's new address, put it in the configuration"
            )
        return target

    async def _receive(
        self, ecosystem: str, known: Feed | None, response: aiohttp.ClientResponse, file: BinaryIO
    ) -> _Answer:
        if response.status == HTTPStatus.NOT_MODIFIED and known:
            return _Answer(unchanged=True)
        if response.status != HTTPStatus.OK:
            raise FeedError(
                f"{response.url} answers {response.status} {response.reason}. "
                f"The last good {ecosystem} data stays in force"
            )
        received, expected = 0, response.content_length or 0
        self._check_size(response.url, expected)
        async for chunk in response.content.iter_chunked(_CHUNK):
            received += len(chunk)
            self._check_size(response.url, received)
            await asyncio.to_thread(file.write, chunk)
            self.progress(f"{ecosystem} (fetching)", received, expected)
        etag, modified = response.headers.get("ETag", ""), response.headers.get("Last-Modified", "")
        return _Answer(unchanged=False, etag=etag, last_modified=modified)

    def _check_size(self, url: URL, size: int) -> None:
        if size > self.limits.archive_bytes:
            raise FeedError(f"{url} is larger than {self.limits.archive_bytes} bytes: it is not an advisory archive")

    def _stage(self, ecosystem: str, file: BinaryIO, answer: _Answer) -> _Outcome:
        skipped: list[FeedError] = []
        documents = read_archive(file, str(self._address(ecosystem)))
        records = advisories(documents, skipped.append if self.force else None)
        feed = self.snapshots.stage(ecosystem, counted(records, ecosystem, self.progress), self.now, force=self.force)
        feed = replace(feed, source=str(self.base), etag=answer.etag, last_modified=answer.last_modified)
        return _Outcome(EcosystemResult(ecosystem, Outcome.UPDATED, feed.records, len(skipped)), feed)


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
