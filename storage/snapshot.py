"""One advisory snapshot: what it holds of each ecosystem and each supplement, looked up in files that never change."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from config.versions import ORDERED_ECOSYSTEMS
from scanning.advisories.ecosystems import IGNORING_CASE, Key
from scanning.advisories.exploitation import Exploited, Forecast
from scanning.advisories.lifecycle import Release, candidates, distribution
from scanning.advisories.model import AdvisoryBasis
from scanning.advisories.osv import Advisory
from scanning.facts import OsRelease
from scanning.oci.digest import Digest
from storage import advisory_data, supplement_data

Value = TypeVar("Value")

EXPLOITED = "KEV"
FORECASTS = "EPSS"
_RELEASES = "end of life"


def releases_of(distribution: str) -> str:
    """The name of the supplement that holds a distribution's releases."""
    return f"{_RELEASES}: {distribution}"


def is_supplement(name: str) -> bool:
    """Whether `name` is a supplement's and no ecosystem's."""
    return name in (EXPLOITED, FORECASTS) or name.startswith(_RELEASES)


@dataclass(frozen=True, slots=True)
class Feed:
    """One ecosystem's data in a snapshot, or that of a supplement, whose name is then in `ecosystem`.

    `data` and `size` (bytes) name the data file, `newest` is the newest `modified` of its `records`,
    `releases` the distribution releases it holds. `source` is where it came from; `etag` and
    `last_modified` are what that source answered, to ask it again cheaply.
    """

    ecosystem: str
    data: Digest
    size: int
    records: int
    newest: datetime
    fetched_at: datetime
    releases: tuple[str, ...] = ()
    source: str = ""
    etag: str = ""
    last_modified: str = ""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An immutable set of advisories, and of what is known besides. `feeds` and `supplements` are sorted by name;
    `folder` holds the data files.
    """

    digest: Digest
    feeds: tuple[Feed, ...]
    folder: Path
    supplements: tuple[Feed, ...] = ()

    @property
    def every(self) -> tuple[Feed, ...]:
        """What it holds of each ecosystem, and of each supplement."""
        return (*self.feeds, *self.supplements)

    @property
    def made_at(self) -> datetime:
        """When something was last fetched for it."""
        return max((feed.fetched_at for feed in self.every), default=datetime.min.replace(tzinfo=UTC))

    def feed(self, name: str) -> Feed | None:
        """What it holds of one ecosystem, or of a supplement."""
        return next((feed for feed in self.every if feed.ecosystem == name), None)

    def lookup(self, keys: Iterable[Key]) -> Mapping[Key, tuple[Advisory, ...]]:
        """The advisories for each (ecosystem, package name); keys without any are left out.

        Reads files: call it in a thread. Raises `SnapshotError` if a data file is missing or damaged.
        """
        names: dict[str, set[str]] = {}
        for ecosystem, name in keys:
            names.setdefault(ecosystem, set()).add(name)
        return {
            (feed.ecosystem, name): advisories
            for feed in self.feeds
            if feed.ecosystem in names
            for name, advisories in advisory_data.lookup(
                data_path(self.folder, feed),
                sorted(names[feed.ecosystem]),
                ignore_case=feed.ecosystem in IGNORING_CASE,
            ).items()
        }

    def exploited(self, cves: Iterable[str]) -> Mapping[str, Exploited]:
        """What the catalogue of exploited vulnerabilities says of `cves`. Reads a file; raises `SnapshotError`."""
        return self._supplement(EXPLOITED, Exploited, cves)

    def forecasts(self, cves: Iterable[str]) -> Mapping[str, Forecast]:
        """How probable attacks on `cves` are. Reads a file; raises `SnapshotError`."""
        return self._supplement(FORECASTS, Forecast, cves)

    def release(self, system: OsRelease) -> Release | None:
        """What is known of the release of a distribution. Reads a file; raises `SnapshotError`."""
        names = tuple(candidates(system))
        found = self._supplement(releases_of(distribution(system)), Release, names)
        return next((found[name] for name in names if name in found), None)

    def _supplement(self, name: str, kind: type[Value], keys: Iterable[str]) -> Mapping[str, Value]:
        feed = next((one for one in self.supplements if one.ecosystem == name), None)
        return supplement_data.lookup(data_path(self.folder, feed), kind, keys) if feed else {}

    def basis(self, ecosystems: Collection[str] | None = None) -> AdvisoryBasis:
        """What findings from this snapshot rest on.

        `fetched_at` is the oldest among `ecosystems` (those an image needs), or among all where none of
        them is here or none is given: data that nobody refreshes any more does not age what does not depend
        on it.
        """
        fetched = {feed.ecosystem: feed.fetched_at for feed in self.supplements}
        asked = [feed for feed in self.feeds if ecosystems is not None and feed.ecosystem in ecosystems]
        return AdvisoryBasis(
            snapshot=self.digest,
            fetched_at=min((feed.fetched_at for feed in asked or self.feeds), default=None),
            ecosystems=tuple(feed.ecosystem for feed in self.feeds),
            records=sum(feed.records for feed in self.feeds),
            releases=tuple(
                release for feed in self.feeds if feed.ecosystem in ORDERED_ECOSYSTEMS for release in feed.releases
            ),
            exploited_at=fetched.get(EXPLOITED),
            forecasts_at=fetched.get(FORECASTS),
        )


def data_path(folder: Path, feed: Feed) -> Path:
    """The file with the data of a feed, in the folder that holds such files."""
    return folder / f"{feed.data.hex}.sqlite"
