"""What the tags mean that were admitted here, how that stands today, and who pulled something older than that."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from scanning.oci.digest import Digest
from scanning.oci.names import Repository
from scanning.verdict import Verdict
from storage import last_pulls, tag_history, verdicts
from storage.batches import batches
from storage.database import Database, Transaction
from storage.last_pulls import LastPull
from storage.tag_history import Tagged

Row = Mapping[str, Any]
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class TaggedImage:
    """One tag, the last verdict on what it means, and the last pull of each who pulled by it, the newest first."""

    tagged: Tagged
    verdict: Verdict | None
    pulls: Sequence[LastPull]

    @property
    def name(self) -> str:
        """As people write it."""
        return name_of(self.tagged)


@dataclass(frozen=True, slots=True)
class PullBehind:
    """The last pull of somebody who got something older than what the tag means now."""

    tagged: Tagged
    pull: LastPull

    @property
    def image(self) -> str:
        """The tag as people write it."""
        return name_of(self.tagged)

    @property
    def name(self) -> str:
        """What tells it from every other."""
        return f"{self.image} {self.pull.actor}"


def name_of(tagged: Tagged) -> str:
    """A tag as people write it."""
    return f"{tagged.repository}:{tagged.tag}"


async def tags(database: Database, repository: Repository | None = None) -> tuple[Tagged, ...]:
    """The tags of one repository or of all, in the order of their names."""
    async with database.snapshot() as tx:
        return await tag_history.newest_of_each(tx, repository)


async def images_under(database: Database, some: Iterable[Tagged]) -> tuple[TaggedImage, ...]:
    """What is known of these tags, in their order."""
    found: list[TaggedImage] = []
    async with database.snapshot() as tx:
        for batch in batches(tuple(some), _AT_ONCE):
            found += await _under(tx, batch)
    return tuple(found)


async def behind(database: Database, some: Iterable[Tagged]) -> tuple[PullBehind, ...]:
    """Who last pulled something older than one of these tags means now, and so may still run it; in their order."""
    found: list[PullBehind] = []
    async with database.snapshot() as tx:
        for batch in batches(tuple(some), _AT_ONCE):
            pulls = await last_pulls.of_others(tx, batch)
            found += [PullBehind(tagged, pull) for tagged in batch for pull in pulls.get(tagged, ())]
    return tuple(found)


async def _under(tx: Transaction, wanted: Sequence[Tagged]) -> Iterator[TaggedImage]:
    last = await verdicts.latest_of_many(tx, {(one.repository, one.digest) for one in wanted})
    pulls = await last_pulls.of_each(tx, wanted)
    return (TaggedImage(one, last.get((one.repository, one.digest)), pulls.get(one, ())) for one in wanted)


def row_now(image: TaggedImage) -> Row:
    """What a list of images tells of one."""
    pull = image.pulls[0] if image.pulls else None
    verdict = image.verdict
    return {
        "image": image.name,
        "digest": image.tagged.digest,
        "admitted": image.tagged.admitted_at,
        "stands": verdict.enforced if verdict else "",
        "findings": dict(verdict.counts).get("findings", 0) if verdict else "",
        "older": image.tagged.older,
        "last_pulled": pull.at if pull else None,
        "by": pull.actor if pull else "",
    }


def row_as_document(row: Row) -> dict[str, Any]:
    """A row as JSON for programs: what /api/v1/images and `imagegate image list --json` give."""
    return {name: _plain(value) for name, value in row.items()}


def row_behind(one: PullBehind) -> Row:
    """What a list of those who are behind tells of one."""
    return {
        "who": one.pull.actor,
        "image": one.image,
        "pulled": one.pull.at,
        "got": one.pull.digest,
        "now": one.tagged.digest,
        "since": one.tagged.admitted_at,
    }


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, Digest) else value
