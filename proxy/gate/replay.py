"""Makes a verdict again from what it names, so that anyone can check later why something was admitted or refused."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache

from pydantic import ValidationError

from config.policy import Policy
from proxy.errors import NotFoundError
from proxy.gate.advisories import AdvisoryDesk
from proxy.gate.content import parse_manifest
from proxy.gate.report import Explained
from scanning.advisories.model import AdvisoryReport
from scanning.documents import decode
from scanning.downgrades import FormerPackages
from scanning.errors import InvalidContentError
from scanning.facts import ImageFacts
from scanning.judge import judge
from scanning.malware import MalwareReport
from scanning.oci.digest import Digest
from scanning.rules.case import Case
from scanning.sightings import Sightings
from scanning.signatures.model import SignatureEvidence
from scanning.signatures.verify import verify
from scanning.verdict import Verdict
from storage import approvals, documents, verdicts
from storage.database import Database, Transaction
from storage.errors import SnapshotError


@dataclass(frozen=True, slots=True)
class _MadeOf:
    case: Case
    policy: Policy
    evidence: SignatureEvidence


class Replay:
    """Judges again with the manifest, facts, policy, advisories, signatures and time of an old verdict."""

    def __init__(self, database: Database, advisories: AdvisoryDesk) -> None:
        self._database = database
        self._advisories = advisories

    async def get(self, verdict_id: str) -> Verdict:
        """A verdict by its id. Raises `NotFoundError`."""
        async with self._database.snapshot() as tx:
            return await _get(tx, verdict_id)

    async def case(self, verdict: Verdict) -> tuple[Case, Policy]:
        """What `verdict` was made of. Raises `NotFoundError` if something of it is gone, `InvalidContentError` if this
        version cannot read it.
        """
        made_of = await self._made_of(verdict)
        return made_of.case, made_of.policy

    async def now(self, clock: datetime) -> datetime:
        """The time to judge at while the clock says `clock`: see `AdvisoryDesk.now`."""
        return await self._advisories.now(clock)

    async def under(self, verdict: Verdict, policies: Sequence[Policy], now: datetime) -> tuple[Verdict, ...]:
        """What would be said at `now` under each of `policies` of what `verdict` was made of. Nothing is recorded.

        Raises as `case` does.
        """
        made_of = await self._made_of(verdict)
        case = made_of.case
        children = [await self.under(child, policies, now) for child in case.children]
        found: list[Verdict] = []
        for number, policy in enumerate(policies):
            signatures = await asyncio.to_thread(verify, made_of.evidence, policy.signers, now)
            listed = tuple(child[number] for child in children)
            one = replace(case, signatures=signatures, children=listed)
            found.append(await asyncio.to_thread(judge, one, policy, now))
        return tuple(found)

    async def _made_of(self, verdict: Verdict) -> _MadeOf:
        inputs = verdict.inputs
        async with self._database.snapshot() as tx:
            body = await _document(tx, inputs.manifest)
            policy_document = await _document(tx, inputs.policy)
            evidence = decode(SignatureEvidence, await _document(tx, inputs.signatures))
            facts_document = await _document(tx, inputs.facts) if inputs.facts else None
            children = [await _get(tx, child) for child in inputs.children]
            approved = await approvals.named(tx, inputs.approvals)
            seen = decode(Sightings, await _document(tx, inputs.sightings)) if inputs.sightings else Sightings()
            former = decode(FormerPackages, await _document(tx, inputs.former)) if inputs.former else None
            said = decode(MalwareReport, await _document(tx, inputs.malware)) if inputs.malware else MalwareReport()
        policy = await asyncio.to_thread(_read_policy, policy_document)
        facts = await asyncio.to_thread(decode, ImageFacts, facts_document) if facts_document else None
        if facts is not None:
            advisories = await self._advisories.report_of(inputs.snapshot, facts)
        else:
            advisories = AdvisoryReport(await self._advisories.basis_of(inputs.snapshot))
        case = Case(
            repository=verdict.repository,
            manifest=await parse_manifest(body, inputs.media_type, inputs.manifest.algorithm),
            signatures=verify(evidence, policy.signers, verdict.judged_at),
            inputs=inputs,
            facts=facts,
            advisories=advisories,
            children=tuple(child for child in children if child.runnable),
            approvals=approved,
            former=former,
            sightings=seen,
            malware=said,
        )
        return _MadeOf(case, policy, evidence)

    async def explained(self, verdict: Verdict) -> tuple[Explained, ...]:
        """A verdict with what it was made of, then those of the images that an index lists, as far as all of that is
        still there.
        """
        explained = [Explained(verdict, await self._case_if_there(verdict))]
        for name in verdict.inputs.children:
            async with self._database.snapshot() as tx:
                child = await verdicts.get(tx, name)
            if child is not None and child.runnable:
                explained += await self.explained(child)
        return tuple(explained)

    async def _case_if_there(self, verdict: Verdict) -> Case | None:
        try:
            case, _ = await self.case(verdict)
        except (NotFoundError, SnapshotError, InvalidContentError):
            return None  # pruned, or written by another version
        return case

    async def again(self, verdict: Verdict) -> Verdict:
        """The verdict that today's code gives for the old case at the old time."""
        case, policy = await self.case(verdict)
        return await asyncio.to_thread(judge, case, policy, verdict.judged_at)


@lru_cache(maxsize=4)
def _read_policy(document: bytes) -> Policy:
    """A large policy takes a second to read, and most verdicts are of the same. Raises `InvalidContentError`."""
    try:
        return Policy.model_validate_json(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise InvalidContentError(
            f"the policy {Digest.of(document)} is none that this version reads: {f'{place}: ' if place else ''}"
            f"{first['msg']}; judge the image again under the policy of today"
        ) from error


async def _get(tx: Transaction, verdict_id: str) -> Verdict:
    verdict = await verdicts.get(tx, verdict_id)
    if verdict is None:
        raise NotFoundError(
            f"there is no verdict {verdict_id} (any more): old ones that are not in force are forgotten after"
            " records.keep_days days; imagegate verdict list shows the newest"
        )
    return verdict


async def _document(tx: Transaction, digest: Digest) -> bytes:
    document = await documents.get(tx, digest)
    if document is None:
        raise NotFoundError(f"document {digest}, which the verdict was made of, is not there any more")
    return document
