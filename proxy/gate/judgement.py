"""Brings together what a verdict is made of, and judges.

    manifest -> children judged first -> facts -> advisories -> signatures -> scanning.judge -> Judgement

Nothing is stored while judging; `recording` stores a judgement in the caller's transaction.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Self, TypeAlias

from config.policy import Policy
from proxy.clock import Clock
from proxy.errors import ManifestBlobUnknownError, SignaturesChangedError
from proxy.gate.advisories import AdvisoryDesk
from proxy.gate.content import on_record, parse_manifest
from proxy.gate.images import ImageInspector
from proxy.gate.knowledge import Knowledge
from proxy.gate.malware import MalwareDesk, Scanned
from proxy.gate.policy import PolicyInForce
from proxy.gate.sightings import Seen, SightingDesk
from proxy.gate.signatures import SignatureFinder
from proxy.identity.principal import Caller
from proxy.upstream.port import ContentSource, StoredManifest
from scanning.advisories.model import AdvisoryReport
from scanning.approvals import Approvals
from scanning.documents import decode, encode
from scanning.errors import InvalidManifestError
from scanning.facts import ImageFacts
from scanning.judge import judge
from scanning.oci.digest import Digest
from scanning.oci.manifest import Manifest, ManifestKind
from scanning.oci.names import Repository
from scanning.rules.case import Case
from scanning.signatures.model import VerifiedSignature
from scanning.signatures.verify import verify
from scanning.verdict import Outcome, Verdict, VerdictInputs

ApprovalsInForce: TypeAlias = Callable[[], Awaitable[Approvals]]
"""Gives what is approved now."""

_DEEPEST_INDEX = 4
_MOST_MANIFESTS = 256
"""In one index, those of the indexes it lists included, and counted as often as they are listed: indexes that list
each other's images multiply."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict with what it was made of, not recorded yet.

    `case` is what was judged, `former` the document of the packages a tag has had (b"" where no tag was looked at),
    `malware` that of what scanners said (b"" where there is nothing to tell).
    `held` says whether the gate alone kept the manifest when it was judged. `beside` is what signatures were looked
    for beside: the manifest, and the indexes that list it. `children` are the judgements of what an index lists.
    """

    manifest: Manifest
    body: bytes
    case: Case
    verdict: Verdict
    policy: PolicyInForce
    signatures: bytes
    facts: bytes | None = None
    former: bytes = b""
    seen: Seen = field(default_factory=Seen)
    malware: bytes = b""
    held: bool = False
    beside: tuple[Digest, ...] = ()
    children: tuple["Judgement", ...] = ()

    @property
    def is_signed(self) -> bool:
        """Whether a signature may be why it, or something that it lists, is admitted."""
        return bool(self.admitted_for) or any(child.is_signed for child in self.children)

    @property
    def admitted_for(self) -> tuple[VerifiedSignature, ...]:
        """The signatures that it may be admitted for: none where the policy wants none."""
        rule = self.policy.policy.rule_for(self.verdict.repository)
        is_asked = rule is not None and rule.require.signatures is not None
        return self.case.signatures.verified if is_asked and self.verdict.enforced is Outcome.ADMIT else ()

    @property
    def manifests(self) -> int:
        """How many manifests were judged for it, itself included."""
        return 1 + sum(child.manifests for child in self.children)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a manifest stands while it is judged: the indexes being judged that it lies in, how deep, and for whom it
    is judged (`tenant`, the grant of a token, or "" for the gate itself).
    """

    parents: tuple[Digest, ...] = ()
    held: bool = False
    depth: int = 0
    tenant: str = ""

    @classmethod
    def asked_by(cls, caller: Caller) -> Self:
        """The place of what a request asks for."""
        return cls(tenant=caller.principal.grant)


_TOP = Place()


@dataclass(frozen=True, slots=True)
class OnRecord:
    """What a gate remembers beside images: the approvals in force, when packages were first seen (None where there is
    no gate), and what malware scanners said.
    """

    approvals: ApprovalsInForce
    sightings: SightingDesk | None
    malware: MalwareDesk


class Judge:
    """Judges manifests of one upstream under the policy in force."""

    def __init__(
        self,
        knowledge: Knowledge,
        source: ContentSource,
        images: ImageInspector,
        signatures: SignatureFinder,
        advisories: AdvisoryDesk,
        on_record: OnRecord,
        policy: Callable[[], PolicyInForce],
        clock: Clock,
    ) -> None:
        self._knowledge = knowledge
        self._source = source
        self._images = images
        self._signatures = signatures
        self._advisories = advisories
        self._approvals = on_record.approvals
        self._sightings = on_record.sightings
        self._malware = on_record.malware
        self._policy = policy
        self._clock = clock

    async def judge(self, repository: Repository, manifest: Manifest, body: bytes, place: Place = _TOP) -> Judgement:
        """Judge a manifest under today's policy, advisories and signatures.

        Raises the `UpstreamError` and `StorageError` families,
        `ManifestBlobUnknownError` for missing content, `BusyError` when inspection itself fails,
        `TooManyRequestsError` when too much waits for it already, and
        `InvalidManifestError` for an index that is nested too deeply or lists too much, or a signature that is none.
        """
        policy, approvals = self._policy(), await self._approvals()
        rule = policy.policy.rule_for(repository.name)
        children = await self._judge_children(repository, manifest, place)
        facts_document: bytes | None = None
        facts: ImageFacts | None = None
        advisories = AdvisoryReport(self._advisories.basis())
        scanned = Scanned()
        if manifest.kind in (ManifestKind.IMAGE, ManifestKind.ARTIFACT):
            facts_document, facts = await self._facts(repository, manifest, place.tenant)
            at = await self._advisories.now(self._clock())
            scanned = await self._malware.look(repository, manifest, facts, rule, at, place.tenant)
            advisories = await self._advisories.report(facts)
        elif manifest.kind is ManifestKind.SIGNATURE:
            await self._images.check_documents(repository, manifest)
        now = await self._advisories.now(self._clock())  # what goes after this may be in the evidence, or not
        beside = await self._beside(repository, manifest, place.parents, policy.policy)
        evidence = await self._signatures.collect(repository, beside)
        evidence_document = await asyncio.to_thread(encode, evidence)
        signatures = await asyncio.to_thread(verify, evidence, policy.policy.signers, now)
        seen = Seen()
        if facts is not None and self._sightings is not None:
            seen = await self._sightings.look(repository, manifest.digest, facts, rule, now)
        inputs = VerdictInputs(
            manifest=manifest.digest,
            media_type=manifest.media_type,
            policy=policy.digest,
            policy_here=policy.digest_in(repository.name),
            signatures=Digest.of(evidence_document),
            facts=Digest.of(facts_document) if facts_document is not None else None,
            snapshot=advisories.basis.snapshot,
            children=tuple(child.verdict.id for child in children),
            approvals=approvals.digest,
            sightings=seen.digest,
            malware=scanned.digest,
        )
        case = Case(
            repository=repository.name,
            manifest=manifest,
            signatures=signatures,
            inputs=inputs,
            facts=facts,
            advisories=advisories,
            children=tuple(child.verdict for child in children if child.verdict.runnable),
            approvals=approvals,
            sightings=seen.sightings if self._sightings is not None else None,
            malware=scanned.report,
        )
        verdict = await asyncio.to_thread(judge, case, policy.policy, now)
        return Judgement(
            manifest,
            body,
            case,
            verdict,
            policy,
            evidence_document,
            facts_document,
            seen=seen,
            malware=scanned.document,
            held=place.held,
            beside=beside,
            children=children,
        )

    async def check_signed(self, repository: Repository, judgement: Judgement) -> None:
        """Return if every signature that `judgement`, or that of something it lists, may be an admission for is still
        there. Call it in the turn in which it is recorded: who takes a signature away has that as well (threat 108).

        Raises `SignaturesChangedError`, and the `UpstreamError` and `StorageError` families.
        """
        if judgement.admitted_for:
            evidence = await self._signatures.collect(repository, judgement.beside)
            signers, at = judgement.policy.policy.signers, judgement.verdict.judged_at
            there = await asyncio.to_thread(verify, evidence, signers, at)
            if not {*judgement.admitted_for} <= {*there.verified}:
                raise SignaturesChangedError(
                    f"a signature of {repository}@{judgement.manifest.digest} was taken away while that was judged, so"
                    " nothing was decided; try again"
                )
        for child in judgement.children:
            await self.check_signed(repository, child)

    async def _fetch(self, repository: Repository, digest: Digest) -> tuple[StoredManifest | None, bool]:
        """A manifest by digest, from the gate's own records or from the upstream, and whether it is held."""
        record = await self._knowledge.manifest(repository, digest)
        if record is not None:
            return on_record(record), record.held
        return await self._source.get_manifest(repository, digest), False

    async def _judge_children(self, repository: Repository, manifest: Manifest, place: Place) -> tuple[Judgement, ...]:
        if not manifest.children:
            return ()
        if place.depth >= _DEEPEST_INDEX:
            raise InvalidManifestError(f"index {manifest.digest} is nested more than {_DEEPEST_INDEX} deep")
        listed = len(manifest.children)
        _check_size(manifest, listed)
        judged: list[Judgement] = []
        for child in {child.digest: child for child in manifest.children}.values():
            stored, held = await self._fetch(repository, child.digest)
            if stored is None:
                continue  # a sparse index: what is not there cannot be pulled either
            parsed = await parse_manifest(stored.body, stored.media_type, stored.digest.algorithm)
            inside = Place((manifest.digest, *place.parents), held, place.depth + 1, place.tenant)
            judged.append(await self.judge(repository, parsed, stored.body, inside))
            listed += judged[-1].manifests - 1
            _check_size(manifest, listed)
        return tuple(judged)

    async def _facts(self, repository: Repository, manifest: Manifest, tenant: str) -> tuple[bytes, ImageFacts]:
        """The facts of an image or artifact: those on record if they are of this version and all was understood, else
        anew.
        """
        document = await self._knowledge.facts(repository, manifest.digest)
        if document is not None:
            facts = await asyncio.to_thread(decode, ImageFacts, document)
            if self._images.is_enough(facts):
                return document, facts
        inspect = self._images.inspect if manifest.kind is ManifestKind.IMAGE else self._images.inspect_artifact
        facts = await inspect(repository, manifest, tenant)
        return await asyncio.to_thread(encode, facts), facts

    async def _beside(
        self, repository: Repository, manifest: Manifest, parents: tuple[Digest, ...], policy: Policy
    ) -> tuple[Digest, ...]:
        """What the signatures of a manifest lie beside, as far as they are wanted."""
        if manifest.kind is ManifestKind.SIGNATURE:
            return ()
        rule = policy.rule_for(repository.name)
        if manifest.kind is ManifestKind.ARTIFACT and (rule is None or rule.require.signatures is None):
            return ()  # most artifacts are never signed, and looking costs the upstream
        known = await self._knowledge.ancestors(repository, manifest.digest)
        return tuple(dict.fromkeys((manifest.digest, *parents, *sorted(known))))


def _check_size(index: Manifest, listed: int) -> None:
    if listed > _MOST_MANIFESTS:
        raise InvalidManifestError(
            f"index {index.digest} lists more than {_MOST_MANIFESTS} manifests, counted as often as they are listed and"
            " with those of the indexes in it; split it"
        )


def check_complete(judgement: Judgement) -> None:
    """Everything an index lists was there to be judged. Raises `ManifestBlobUnknownError`."""
    judged = {child.manifest.digest for child in judgement.children}
    for child in judgement.manifest.children:
        if child.digest not in judged:
            raise ManifestBlobUnknownError(
                f"manifest {child.digest}, which the index lists, is not in this repository; it was refused or"
                " never pushed: push it first and read why it is refused"
            )


def check_alone(judgement: Judgement) -> None:
    """What is admitted takes nothing along that only the gate keeps and that is not (threat 107). Raises
    `ManifestBlobUnknownError`.
    """
    for child in judgement.children:
        if child.held and child.verdict.enforced is not Outcome.ADMIT:
            raise ManifestBlobUnknownError(
                f"manifest {child.manifest.digest}, which the index lists, is not admitted, and would go out with it:"
                " leave it out, or push the index again once it is admitted"
            )
        check_alone(child)
