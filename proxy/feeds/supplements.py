"""What snapshots hold beside advisories, from files as their publishers make them.

    known_exploited_vulnerabilities.json   CISA's catalogue of exploited vulnerabilities (KEV)
    epss_scores-2026-11-26.csv[.gz]        FIRST's forecasts of attacks (EPSS)
    debian.csv, ubuntu.csv                 ends of life: Debian's package distro-info-data
    alpine-linux.json, full.json           ends of life: endoflife.date, one product or all

A file is known by how it begins, not by its name; only those of ends of life that do not say whose they are need it.
"""

import gzip
import io
import zlib
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import IO, BinaryIO

from proxy.feeds.report import FeedError
from scanning.advisories.exploitation import read_catalogue, read_forecasts
from scanning.advisories.lifecycle import Lifecycles, Release, read_distro_info, read_endoflife
from storage.snapshot import EXPLOITED, FORECASTS, Feed, releases_of
from storage.snapshots import Snapshots

MAX_BYTES = 64 << 20
"""The largest file read whole. endoflife.date's document of all products has some 5 MiB."""

_MOST_SCORES_BYTES = 512 << 20
_HEAD = 4096
_GZIP = b"\x1f\x8b"


class Supplement(StrEnum):
    """The kinds of files."""

    EXPLOITED = EXPLOITED
    FORECASTS = FORECASTS
    END_OF_LIFE = "end of life"

    def covers(self, feed: Feed) -> bool:
        """Whether `feed` is of this kind: each distribution's end of life is a feed of its own."""
        return feed.ecosystem == self or feed.ecosystem.startswith(f"{self}:")


def recognise(path: Path) -> Supplement | None:
    """What the file at `path` is; None where it is none of these. Raises `FeedError` if it cannot be read."""
    try:
        with path.open("rb") as file:
            return _recognise(_head(file))
    except (OSError, zlib.error) as error:
        raise FeedError(f"{path} cannot be read: {error}") from error


def stage(
    kind: Supplement, file: BinaryIO, name: str, snapshots: Snapshots, now: datetime, *, force: bool = False
) -> list[Feed]:
    """Read a file from its beginning and stage what is in it, ready for `Snapshots.publish`.

    `name` is the file's or the address's, for messages and for the product. Raises `FeedError`,
    `InvalidContentError` and the `StorageError` family.
    """
    file.seek(0)
    try:
        match kind:
            case Supplement.EXPLOITED:
                catalogue = read_catalogue(_whole(file, name))
                entries = ((one.cve, one) for one in catalogue.entries)
                return [snapshots.stage_supplement(EXPLOITED, entries, catalogue.released, now, force=force)]
            case Supplement.FORECASTS:
                with closing(_lines(file, name)) as lines:
                    forecasts = read_forecasts(lines)
                    scores = ((one.cve, one) for one in forecasts.scores)
                    return [snapshots.stage_supplement(FORECASTS, scores, forecasts.scored_at, now, force=force)]
            case Supplement.END_OF_LIFE:
                known = _lifecycles(_whole(file, name), _product(name))
                return [
                    snapshots.stage_supplement(releases_of(of), _by_name(releases), known.known_at, now, force=force)
                    for of, releases in sorted(known.releases.items())
                ]
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise FeedError(f"{name} is damaged ({error}); fetch it again from where it came") from error


def _recognise(head: bytes) -> Supplement | None:
    text = head.lstrip()
    if text.startswith((b"#model_version", b"cve,epss,")):
        return Supplement.FORECASTS
    if text.startswith(b"version,codename,series,"):
        return Supplement.END_OF_LIFE
    if text.startswith(b"[") and b'"cycle"' in text:
        return Supplement.END_OF_LIFE
    if text.startswith(b"{") and (b'"catalogVersion"' in text or b'"cveID"' in text):
        return Supplement.EXPLOITED
    if text.startswith(b"{") and b'"result"' in text and (b'"releases"' in text or b'"identifiers"' in text):
        return Supplement.END_OF_LIFE
    return None


def _head(file: BinaryIO) -> bytes:
    head = file.read(_HEAD)
    return zlib.decompressobj(zlib.MAX_WBITS + 16).decompress(head, _HEAD) if head.startswith(_GZIP) else head


def _whole(file: BinaryIO, name: str) -> bytes:
    content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise FeedError(f"{name} has more than {MAX_BYTES} bytes: more than such data ever needs")
    return content


def _lines(file: BinaryIO, name: str) -> Generator[str, None, None]:
    """The lines of a text that may be packed with gzip, as many as scores can need."""
    packed = file.read(len(_GZIP)) == _GZIP
    file.seek(0)
    unpacked: IO[bytes] = gzip.GzipFile(fileobj=file) if packed else file  # type: ignore[assignment]  # typeshed's gap
    text = io.TextIOWrapper(unpacked, encoding="utf-8")
    read = 0
    try:
        while line := text.readline(_HEAD):
            read += len(line)
            if read > _MOST_SCORES_BYTES:
                raise FeedError(f"{name} has more than {_MOST_SCORES_BYTES} bytes: more than such data ever needs")
            yield line
    finally:
        text.detach()  # The file is not ours to close.


def _lifecycles(document: bytes, product: str) -> Lifecycles:
    if document.lstrip().startswith((b"{", b"[")):
        return read_endoflife(document, product)
    return read_distro_info(document, product)


def _product(name: str) -> str:
    """`debian` of `/usr/share/distro-info/debian.csv`."""
    return name.rstrip("/").rpartition("/")[2].partition(".")[0]


def _by_name(releases: Iterable[Release]) -> Iterator[tuple[str, Release]]:
    return ((name, release) for release in releases for name in release.names)
