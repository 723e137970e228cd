"""Advisory snapshots: what the advisories said at one time, so that a verdict can be replayed.

    <folder>/data/<sha256>.sqlite     the advisories of one ecosystem (storage.advisory_data), or a supplement
                                      (storage.supplement_data): exploited vulnerabilities, forecasts of attacks, the
                                      releases of a distribution
    <folder>/snapshots/<sha256>.json  a snapshot: which data each ecosystem has, and when it was fetched
    <folder>/current                  the digest of the snapshot in force
    <folder>/highest-time             the highest time ever seen

The first two are immutable and named by their digests. A snapshot is a short document, so that fetching one
ecosystem neither copies nor drops the others: a new snapshot keeps what the previous one had of them.
"""

import fcntl
import re
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from scanning.advisories.osv import Advisory
from scanning.documents import decode, encode
from scanning.errors import InvalidContentError
from scanning.oci.digest import Digest
from storage import advisory_data, data_files, durable, highest_time, supplement_data
from storage.errors import SnapshotError, SnapshotRefusedError, StorageUnavailableError
from storage.snapshot import Feed, Snapshot, data_path, is_supplement

_FORMAT = 1
_ECOSYSTEM = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}")
_HIGHEST_TIME = "highest-time"


@dataclass(frozen=True, slots=True)
class _Document:
    version: int
    feeds: tuple[Feed, ...]
    supplements: tuple[Feed, ...] = ()


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was removed: `snapshots`, and `files` of data that no other one holds, of together `size` bytes."""

    snapshots: int = 0
    files: int = 0
    size: int = 0

    def __bool__(self) -> bool:
        """Whether it is anything."""
        return bool(self.snapshots or self.files)


class Snapshots:
    """The advisory snapshots in one folder. Blocking: call it in a thread.

    Every method raises `StorageUnavailableError` when the disk is full or refuses.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def current(self) -> Snapshot | None:
        """The snapshot in force; None before the first import. Raises `SnapshotError` if it is damaged."""
        try:
            text = (self._folder / "current").read_text()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StorageUnavailableError(f"the advisory snapshots cannot be read: {error}") from error
        try:
            return self.open(Digest.parse(text.strip()))
        except InvalidContentError as error:
            raise SnapshotError(
                f"the file {self._folder / 'current'} does not hold a digest; import the advisories again"
            ) from error

    def open(self, digest: Digest) -> Snapshot:
        """A snapshot by digest, current or old. Raises `SnapshotError` if it is missing or damaged."""
        try:
            content = self._document_path(digest).read_bytes()
        except FileNotFoundError as error:
            raise SnapshotError(
                f"the advisory snapshot {digest} is not kept here: it was pruned (feeds.keep_days says when), or is"
                " another gate's"
            ) from error
        except OSError as error:
            raise StorageUnavailableError(f"the advisory snapshot {digest} cannot be read: {error}") from error
        if not digest.matches(content):
            raise SnapshotError(f"the advisory snapshot {digest} is damaged: its bytes have another digest")
        document = decode(_Document, content)
        return Snapshot(digest, document.feeds, self._folder / "data", document.supplements)

    def workspace(self) -> Path:
        """A folder on the same disk for what is only passing through."""
        with self._writing():
            return self._made(".")

    def stage(self, ecosystem: str, advisories: Iterable[Advisory], now: datetime, *, force: bool = False) -> Feed:
        """Write one ecosystem's advisories as data that `publish` can put in force; reads `advisories` once.

        Unless forced, raises `SnapshotRefusedError` if they are a step back from the current snapshot. Raises
        `InvalidContentError` if there are none, or one comes twice; what raises while reading them passes
        through.
        """
        if not _ECOSYSTEM.fullmatch(ecosystem) or is_supplement(ecosystem):
            raise InvalidContentError(f"{ecosystem[:80]!r} is not the name of an OSV ecosystem like Debian")
        with self._writing(), durable.temporary(self._made("data")) as new:
            contents = advisory_data.fill(new, ecosystem, advisories)
            if not contents.records:
                raise InvalidContentError(f"there is no {ecosystem} advisory in it: is this the right file?")
            return self._staged(ecosystem, new, contents, now, force=force)

    def stage_supplement(
        self, name: str, entries: Iterable[tuple[str, object]], newest: datetime, now: datetime, *, force: bool = False
    ) -> Feed:
        """Write a supplement as data that `publish` can put in force, with the values of `entries` by their names.

        `newest` is how new its source says it is, year 1 where it does not. Raises as `stage` does.
        """
        with self._writing(), durable.temporary(self._made("data")) as new:
            try:
                records = supplement_data.fill(new, entries)
            except InvalidContentError as error:
                raise InvalidContentError(f"{name}: {error}") from error
            if not records:
                raise InvalidContentError(f"{name}: there is nothing in it: is this the right file?")
            return self._staged(name, new, advisory_data.Contents(records, newest, ()), now, force=force)

    def _staged(self, name: str, new: Path, contents: advisory_data.Contents, now: datetime, *, force: bool) -> Feed:
        fetched_at = self._present(now, force=force)
        feed = Feed(
            ecosystem=name,
            data=data_files.digest(new),
            size=new.stat().st_size,
            records=contents.records,
            # A record dated in the future must not make every later update look like a step back.
            newest=min(contents.newest, fetched_at),
            fetched_at=fetched_at,
            releases=contents.releases,
        )
        if not force:
            _refuse_step_back(feed, self.current())
        durable.publish(new, data_path(self._folder / "data", feed))
        return feed

    def publish(self, feeds: Sequence[Feed], now: datetime, *, force: bool = False) -> Snapshot:
        """Put staged data in force as a new snapshot; other ecosystems stay as they are.

        Forcing takes `now` as the highest time seen, to recover from a clock that was wrong, and starts
        anew where the current snapshot is damaged. Unless forced, raises `SnapshotRefusedError` if somebody
        published newer data meanwhile.
        """
        with self._writing(), self._locked():
            previous = self._previous(force=force)
            latest = self._present(now, force=force)
            merged = {feed.ecosystem: feed for feed in previous.every} if previous else {}
            for feed in feeds:
                if not force:
                    _refuse_step_back(feed, previous)
                if not data_path(self._folder / "data", feed).exists():
                    raise SnapshotError(f"the new {feed.ecosystem} data is gone already; import it again")
                merged[feed.ecosystem] = feed
            # Nothing was fetched in the future; after a wrong clock is set right, what was kept must age again.
            dated = [replace(merged[name], fetched_at=min(merged[name].fetched_at, latest)) for name in sorted(merged)]
            advisories = tuple(feed for feed in dated if not is_supplement(feed.ecosystem))
            supplements = tuple(feed for feed in dated if is_supplement(feed.ecosystem))
            document = encode(_Document(_FORMAT, advisories, supplements))
            digest = Digest.of(document)
            self._made("snapshots")
            durable.write(self._document_path(digest), document)
            durable.write(self._folder / "current", str(digest).encode())
        return self.open(digest)

    def prune(self, keep: Collection[Digest], days: int, now: datetime, *, dry_run: bool = False) -> Pruned:
        """Remove the snapshots that are older than `days` days, and of those older than one day all but the last of
        each day; the one in force and those to `keep` stay. Then remove the data that none of the others holds. With
        `dry_run`, only tell.

        Whoever looks something up in a snapshot that goes away meanwhile gets `SnapshotError`. Raises that, and removes
        nothing, where the snapshot in force is damaged. Damaged ones stay.
        """
        with self._writing(), self._locked():
            in_force = self.current()
            kept = {*keep, in_force.digest} if in_force else {*keep}
            found = [one for path in self._made("snapshots").glob("*.json") if (one := self._readable(path))]
            last = {one.made_at.date(): one for one in sorted(found, key=lambda one: one.made_at)}
            yesterday, oldest = now - timedelta(days=1), now - timedelta(days=days)
            old = [
                one
                for one in found
                if one.digest not in kept
                and (one.made_at < oldest or (one.made_at < yesterday and last[one.made_at.date()] is not one))
            ]
            held = {data_path(one.folder, feed) for one in found if one not in old for feed in one.every}
            data = [path for path in self._made("data").iterdir() if path not in held]
            # What is younger may be about to be published.
            unused = [path for path in data if path.stat().st_mtime < yesterday.timestamp()]
            size = sum(path.stat().st_size for path in unused)
            # A document that names what is gone would be worse than data that no document names.
            for path in () if dry_run else (*(self._document_path(one.digest) for one in old), *unused):
                path.unlink(missing_ok=True)
        return Pruned(len(old), len(unused), size)

    def _readable(self, document: Path) -> Snapshot | None:
        try:
            return self.open(Digest("sha256", document.stem))
        except (InvalidContentError, SnapshotError):
            return None

    def renew(self, feed: Feed, now: datetime) -> Feed:
        """The same data, found unchanged at its source: ready to `publish` with a new `fetched_at`."""
        return replace(feed, fetched_at=self.observe(now))

    def observe(self, now: datetime) -> datetime:
        """The present, never earlier than any time seen before: a clock set back must not make data look
        fresh."""
        with self._writing():
            return self._present(now, force=False)

    def _present(self, now: datetime, *, force: bool) -> datetime:
        place = self._made(".") / _HIGHEST_TIME
        if force:
            highest_time.reset(place, now)
        return highest_time.observe(place, now)

    def _previous(self, *, force: bool) -> Snapshot | None:
        try:
            return self.current()
        except SnapshotError:
            if force:
                return None
            raise

    def _document_path(self, digest: Digest) -> Path:
        return self._folder / "snapshots" / f"{digest.hex}.json"

    def _made(self, name: str) -> Path:
        folder = self._folder / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @contextmanager
    def _locked(self) -> Iterator[None]:
        # The command line and a serving gate may publish at once; the second must see what the first wrote.
        with (self._made(".") / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            raise StorageUnavailableError(
                f"the advisory data cannot be written to {self._folder}: {error}. The present data stays"
            ) from error


def _refuse_step_back(feed: Feed, previous: Snapshot | None) -> None:
    known = previous.feed(feed.ecosystem) if previous else None
    if known is None:
        return
    if feed.records * 2 < known.records:
        raise SnapshotRefusedError(
            f"the new {feed.ecosystem} data holds {feed.records} records where the present data holds "
            f"{known.records}: it looks cut short. The present data stays; use --force if this is right"
        )
    if feed.newest < known.newest:
        raise SnapshotRefusedError(
            f"the newest {feed.ecosystem} record is of {feed.newest:%Y-%m-%d %H:%M} where the present "
            f"data goes to {known.newest:%Y-%m-%d %H:%M}: it looks rolled back. The present data stays; "
            "use --force if this is right"
        )
