"""Advisories from local files, for gates that reach no feed.

<PATH>/<ECOSYSTEM>/all.zip     the layout of OSV's public bucket
<PATH>/all.zip, <PATH>.zip     one archive: of the ecosystem its folder is named after, or of those in it
<PATH>/*.json                  records, of the ecosystems in them
<PATH>, <PATH>/*               exploited vulnerabilities, forecasts, ends of life (`proxy.feeds.supplements`)
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from config.errors import ImagegateError
from proxy.feeds.archive import Document, advisories, read_archive, read_folder, read_record
from proxy.feeds.report import EcosystemResult, FeedError, FeedReport, Outcome, Progress, no_progress
from proxy.feeds.supplements import Supplement, recognise, stage
from scanning.advisories.osv import Advisory
from storage.snapshot import Feed
from storage.snapshots import Snapshots

_ARCHIVE = "all.zip"
_SUPPLEMENTS = (".json", ".csv", ".csv.gz")


@dataclass(frozen=True, slots=True)
class _Source:
    """Where the records of one ecosystem lie. `documents` starts reading anew at every call."""

    ecosystem: str
    place: Path
    documents: Callable[[], Iterable[Document]]


def import_path(
    path: Path,
    snapshots: Snapshots,
    now: datetime,
    *,
    ecosystem: str = "",
    force: bool = False,
    progress: Progress = no_progress,
) -> FeedReport:
    """Take in every ecosystem and supplement found at `path` and put them in force together; what is not found there
    stays.

    `ecosystem` names the one to take where the path does not say it; supplements are left alone then. `force` accepts
    data that looks older or cut short, and leaves malformed records out. What fails is reported and keeps its previous
    data. Blocking: call it in a thread. Raises `FeedError` if there is nothing to import, and the `StorageError`
    family.
    """
    staged: list[Feed] = []
    results: list[EcosystemResult] = []
    supplements = {} if ecosystem else _supplements(path)
    for source in _sources(path, ecosystem, supplements):
        skipped: list[FeedError] = []
        records = advisories(source.documents(), skipped.append if force else None)
        try:
            feed = snapshots.stage(source.ecosystem, counted(records, source.ecosystem, progress), now, force=force)
        except ImagegateError as error:
            results.append(EcosystemResult(source.ecosystem, Outcome.FAILED, problem=str(error)))
            continue
        staged.append(feed)
        results.append(EcosystemResult(source.ecosystem, Outcome.UPDATED, feed.records, len(skipped)))
    for place, kind in supplements.items():
        try:
            with place.open("rb") as file:
                feeds = stage(kind, file, str(place), snapshots, now, force=force)
        except (ImagegateError, OSError) as error:
            results.append(EcosystemResult(kind, Outcome.FAILED, problem=str(error)))
            continue
        staged += feeds
        results += [EcosystemResult(feed.ecosystem, Outcome.UPDATED, feed.records) for feed in feeds]
    snapshot = snapshots.publish(staged, now, force=force) if staged else snapshots.current()
    return FeedReport(snapshot, tuple(results))


def counted(records: Iterable[Advisory], label: str, progress: Progress) -> Iterator[Advisory]:
    """Pass records on, telling `progress` every thousand."""
    number = 0
    for number, record in enumerate(records, start=1):
        if number % 1000 == 0:
            progress(label, number, 0)
        yield record
    progress(label, number, number)


def _supplements(path: Path) -> dict[Path, Supplement]:
    """The files at `path` that hold no advisories but what is known besides."""
    files = [path] if path.is_file() else [one for one in sorted(path.glob("*")) if one.name.endswith(_SUPPLEMENTS)]
    return {one: kind for one in files if one.is_file() and (kind := recognise(one))}


def _sources(path: Path, ecosystem: str, supplements: Collection[Path]) -> list[_Source]:
    if not path.exists():
        raise FeedError(f"there is nothing at {path}; name a folder, a zip archive or a .json record")
    if path in supplements:
        return []
    if path.is_file():
        name = ecosystem or (path.resolve().parent.name if path.name == _ARCHIVE else "")
        return [_archive(name, path)] if name else _by_content(path, lambda: _open(path))
    if (path / _ARCHIVE).is_file():
        return [_archive(ecosystem or path.resolve().name, path / _ARCHIVE)]
    archives = sorted(path.glob(f"*/{_ARCHIVE}"))
    if archives:
        chosen = [one for one in archives if not ecosystem or one.parent.name == ecosystem]
        if not chosen:
            raise FeedError(f"{path} holds no folder {ecosystem} with {_ARCHIVE} in it")
        return [_archive(one.parent.name, one) for one in chosen]
    if ecosystem:
        return [_Source(ecosystem, path, lambda: read_folder(path))]
    if supplements and not any(one not in supplements for one in path.glob("*.json")):
        return []
    return _by_content(path, lambda: read_folder(path, supplements))


def _archive(ecosystem: str, path: Path) -> _Source:
    return _Source(ecosystem, path, lambda: _open(path))


def _by_content(path: Path, documents: Callable[[], Iterable[Document]]) -> list[_Source]:
    """Sources for what the records speak of; a malformed one is met again, and told, when they are read."""
    names = {
        affected.ecosystem
        for advisory in advisories(documents(), lambda _problem: None)
        for affected in advisory.affected
    }
    if not names:
        raise FeedError(
            f"{path} holds no OSV records: expected <ECOSYSTEM>/{_ARCHIVE}, one zip archive, .json files, or"
            " the files of KEV, EPSS, distro-info-data or endoflife.date"
        )
    return [_Source(name, path, documents) for name in sorted(names)]


def _open(path: Path) -> Iterator[Document]:
    try:
        if path.suffix == ".json":
            yield from read_record(path)
            return
        with path.open("rb") as file:
            yield from read_archive(file, str(path))
    except OSError as error:
        raise FeedError(f"{path} cannot be read: {error}") from error
