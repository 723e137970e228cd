"""Whether a tag would go back to older packages than it has had, where the policy asks (`tags.downgrade`).

An image is judged once more under the tag that it is pushed with, with what the tag has had as one more input. That
verdict says nothing of the image under its digest or under other tags. Call it all in the turn of the repository.
"""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace

from proxy.gate.judgement import Judgement
from scanning.documents import decode, encode
from scanning.downgrades import FormerPackages, remember
from scanning.facts import ImageFacts, Package
from scanning.judge import judge
from scanning.oci.digest import Digest
from scanning.oci.manifest import ManifestKind
from scanning.oci.names import Reference, Repository, Tag, is_referrers_tag
from storage import documents, manifests, tag_history, tag_packages
from storage.database import Database, Transaction


class Downgrades:
    """Remembers the packages that tags have had, and compares."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def judge(self, repository: Repository, reference: Reference, judgement: Judgement) -> Judgement | None:
        """The judgement of what is pushed under a tag that has had packages; None where that is the same.

        Raises the `StorageError` family.
        """
        if not isinstance(reference, Tag) or not _asks(judgement, reference):
            return None
        async with self._database.snapshot() as tx:
            former, _ = await _former(tx, repository, reference)
        if not former.platforms:
            return None
        return await asyncio.to_thread(_under_tag, judgement, former)

    async def remember(self, tx: Transaction, repository: Repository, tag: Tag, judgement: Judgement) -> None:
        """`judgement` admitted its manifest under `tag`. Call it once that is in the history of the tag."""
        if not _asks(judgement, tag):
            return
        former, position = await _former(tx, repository, tag, without=judgement.manifest.digest)
        for image in _images_of(judgement):
            if image.case.facts is not None:
                accepted = _accepted(image)
                former = await asyncio.to_thread(remember, former, image.case.facts, accepted)
        await tag_packages.put(tx, repository, former, position)


def _asks(judgement: Judgement, tag: Tag) -> bool:
    rule = judgement.policy.policy.rule_for(judgement.verdict.repository)
    return rule is not None and rule.tags.downgrade is not None and not is_referrers_tag(tag)


def _under_tag(judgement: Judgement, former: FormerPackages) -> Judgement:
    """The same manifest judged with what the tag has had; an index by its images judged so."""
    document = encode(former)
    children = tuple(_under_tag(child, former) for child in judgement.children)
    inputs = replace(
        judgement.case.inputs,
        children=tuple(child.verdict.id for child in children),
        former=Digest.of(document),
    )
    runnable = tuple(child.verdict for child in children if child.verdict.runnable)
    case = replace(judgement.case, inputs=inputs, children=runnable, former=former)
    verdict = judge(case, judgement.policy.policy, judgement.verdict.judged_at)
    return replace(judgement, case=case, verdict=verdict, children=children, former=document)


def _accepted(judgement: Judgement) -> Callable[[Package], bool]:
    """Whether a waiver lets a package of the image go back."""
    verdict = judgement.verdict
    waivers = judgement.policy.policy.waivers_for(verdict.repository, str(verdict.digest), verdict.judged_at)
    patterns = [pattern for waiver in waivers for pattern in waiver.packages]
    return lambda package: any(pattern.matches(package.purl) for pattern in patterns)


def _images_of(judgement: Judgement) -> Iterator[Judgement]:
    """Itself, or the images that an index lists."""
    if not judgement.children:
        yield judgement
    for child in judgement.children:
        yield from _images_of(child)


async def _former(
    tx: Transaction, repository: Repository, tag: Tag, without: Digest | None = None
) -> tuple[FormerPackages, int]:
    """What a tag has had, and the place in its history up to which that is. What was admitted under it while nobody
    asked is looked up, but for `without`.
    """
    former, position = await tag_packages.of(tx, repository, tag)
    for place, digest in await tag_history.since(tx, repository, tag, position):
        position = place
        if digest == without:
            continue
        for facts in await _images(tx, repository, digest):
            former = await asyncio.to_thread(remember, former, facts, _nothing)
    return former, position


async def _images(tx: Transaction, repository: Repository, digest: Digest) -> list[ImageFacts]:
    """The facts of an image, or of those that an index lists, as far as they are on record."""
    known = await manifests.find(tx, repository, digest)
    if known is None:
        return []
    if known.kind is ManifestKind.INDEX:
        listed = await manifests.children(tx, repository, digest)
        return [facts for child in listed for facts in await _images(tx, repository, child)]
    document = await documents.get(tx, known.facts) if known.facts else None
    return [await asyncio.to_thread(decode, ImageFacts, document)] if document else []


def _nothing(_: Package) -> bool:
    return False
