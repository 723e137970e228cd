"""Stores judgements, in the transaction of whoever acts on them."""

from datetime import datetime

from proxy.gate.judgement import Judgement
from scanning.oci.names import Repository
from scanning.rules.ages import is_only_young
from scanning.verdict import Outcome
from storage import documents, manifests, sightings, verdicts
from storage.database import Transaction


async def record(tx: Transaction, judgement: Judgement) -> None:
    """Store a verdict, those of the index's images, and everything they were made of."""
    await sightings.note(tx, _noted(judgement), judgement.verdict.judged_at)
    await _record(tx, judgement)


def _noted(judgement: Judgement) -> dict[str, datetime]:
    """What was seen, in one piece: rows taken in one order never wait for each other.

    What is refused was not seen (threat 112): nobody has it, and it would age unwatched. What is refused for its age
    alone was: it would never be old enough.
    """
    counts = judgement.verdict.enforced is not Outcome.REJECT or is_only_young(judgement.verdict)
    noted = dict(judgement.seen.noted) if counts else {}
    for seen in map(_noted, judgement.children):
        noted |= {purl: min(at, noted.get(purl, at)) for purl, at in seen.items()}
    return noted


async def _record(tx: Transaction, judgement: Judgement) -> None:
    for child in judgement.children:
        await _record(tx, child)
    await documents.put(tx, judgement.body, judgement.manifest.digest.algorithm)
    approved = judgement.case.approvals.document
    facts, former, seen, malware = judgement.facts, judgement.former, judgement.seen.document, judgement.malware
    for document in (judgement.policy.text, judgement.signatures, facts, approved, former, seen, malware):
        if document:
            await documents.put(tx, document)
    await verdicts.append(tx, judgement.verdict)


async def record_manifest(
    tx: Transaction, repository: Repository, judgement: Judgement, *, held: bool, published: bool = False
) -> None:
    """Remember a manifest, and what an index lists, with the edges that pulling needs.

    `held` says whether the gate alone keeps it. What it lists stays as held as it was, unless all was `published`; then
    the upstream was given it, and what it lists and was held.
    """
    for child in judgement.children:
        still_held = child.held and not published
        await record_manifest(tx, repository, child, held=still_held, published=published and child.held)
    await manifests.record(
        tx,
        repository,
        judgement.manifest,
        judgement.body,
        held=held,
        facts=judgement.verdict.inputs.facts,
        now=judgement.verdict.judged_at,
        seen_at=judgement.verdict.judged_at if published else None,
    )
