"""What another policy would change: the tags' images judged under both, from what their last verdicts were made of.

Nothing is inspected, asked of the upstream or recorded, so it costs little and is only as good as what is on record.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from config.policy import Policy
from proxy.errors import NotFoundError
from proxy.gate.replay import Replay
from scanning.errors import InvalidContentError
from scanning.oci.digest import Digest
from scanning.oci.manifest import ManifestKind
from scanning.oci.names import Repository, Tag
from scanning.verdict import Verdict
from storage import held_tags, tag_history, verdicts
from storage.batches import batches
from storage.database import Database
from storage.errors import SnapshotError

_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class TriedImage:
    """What a tag means, or what waits in quarantine under it."""

    repository: Repository
    tag: Tag
    digest: Digest
    waits: bool

    @property
    def name(self) -> str:
        """What tells it from every other."""
        return f"{self.repository}:{self.tag}" + (" (waits)" if self.waits else "")


@dataclass(frozen=True, slots=True)
class Changed:
    """An image of which another policy says something else. `unsure` says what would still be looked up."""

    image: TriedImage
    before: Verdict
    after: Verdict
    unsure: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Trial:
    """What a policy would change. `left_out` are sentences about images of which it cannot be told."""

    judged: int
    changes: tuple[Changed, ...]
    left_out: tuple[str, ...]


async def images_to_try(database: Database) -> tuple[TriedImage, ...]:
    """What the tags mean that were admitted here, and what waits, in the order of their names."""
    async with database.snapshot() as tx:
        admitted = await tag_history.newest_of_each(tx)
        waiting = await held_tags.list_all(tx)
    found = [TriedImage(one.repository, one.tag, one.digest, waits=False) for one in admitted]
    found += [TriedImage(*one, waits=True) for one in waiting]
    return tuple(sorted(found, key=lambda image: (image.repository, image.tag, image.waits)))


async def try_policy(
    database: Database, replay: Replay, images: Sequence[TriedImage], now: Policy, new: Policy, clock: datetime
) -> Trial:
    """Judge `images` under the policy of `now` and under a `new` one, both at the same time, which `clock` says."""
    at = await replay.now(clock)
    changes: list[Changed] = []
    left_out: list[str] = []
    for batch in batches(images, _AT_ONCE):
        async with database.snapshot() as tx:
            last = await verdicts.latest_of_many(tx, {(image.repository, image.digest) for image in batch})
        for image in batch:
            verdict = last.get((image.repository, image.digest))
            if verdict is None:
                left_out.append(f"{image.name} was never judged")
                continue
            try:
                before, after = await replay.under(verdict, (now, new), at)
            except (NotFoundError, SnapshotError, InvalidContentError) as error:
                left_out.append(f"{image.name}: {error}")
                continue
            unsure = tuple(_unsure(before, now, new))
            if unsure or (before.outcome, before.enforced) != (after.outcome, after.enforced):
                changes.append(Changed(image, before, after, unsure))
    return Trial(len(images), tuple(changes), tuple(left_out))


def change_as_document(change: Changed) -> dict[str, Any]:
    """It as JSON for programs: what /api/v1/policy/check and `imagegate policy try --json` give."""
    image = change.image
    return {
        "image": f"{image.repository}:{image.tag}",
        "waits": image.waits,
        "digest": str(image.digest),
        "before": change.before.enforced,
        "after": change.after.enforced,
        "reasons_before": [violation.sentence for violation in change.before.violations],
        "reasons": [violation.sentence for violation in change.after.violations],
        "unsure": list(change.unsure),
    }


def _unsure(verdict: Verdict, now: Policy, new: Policy) -> Iterator[str]:
    """What the new rule asks for that was not looked up for the old one."""
    old_rule, rule = now.rule_for(verdict.repository), new.rule_for(verdict.repository)
    if rule is None:
        return
    old = old_rule.require if old_rule else None
    wanted = rule.require
    if wanted.minimum_age is not None and (old is None or old.minimum_age != wanted.minimum_age):
        yield "how long its packages have been known is looked up when it is judged (require.minimum_age)"
    if wanted.malware_scan is not None and (old is None or old.malware_scan is None):
        yield "whether a malware scanner has looked at it is found out when it is judged (require.malware_scan)"
    if verdict.kind is ManifestKind.ARTIFACT and wanted.signatures and (old is None or old.signatures is None):
        yield "signatures of an artifact are looked for when it is judged (require.signatures.artifacts)"
