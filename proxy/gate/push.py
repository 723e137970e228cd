"""A manifest is pushed: read strictly, inspected, judged; then admitted, held in quarantine, or refused.

While inspection itself fails it is held unjudged, so that no pusher has to come again, and nobody gets it before it
is judged.

The order on admission is upstream first, then one transaction, then the answer. A crash in between leaves a manifest
that the gate does not know: nobody can pull it until it was judged anew (threat 65). A crash before leaves nothing.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import NoReturn

from proxy.clock import Clock
from proxy.denials import Denials
from proxy.errors import BusyError, DeniedError, ManifestBlobUnknownError
from proxy.gate.content import parse_manifest
from proxy.gate.images import ImageInspector
from proxy.gate.judgement import Judge, Judgement, Place, check_alone, check_complete
from proxy.gate.promotion import Promotion
from proxy.gate.recording import record, record_manifest
from proxy.gate.referrers import Referrers
from proxy.gate.refusal import refuse, uninspected, warnings
from proxy.gate.room import Room
from proxy.gate.tags import TagGuard
from proxy.gate.trail import Target, Trail
from proxy.identity.principal import Caller
from proxy.upstream.port import UpstreamRefusedError
from scanning.errors import InvalidContentError, InvalidDigestError
from scanning.oci.digest import Digest
from scanning.oci.manifest import Manifest, ManifestKind
from scanning.oci.names import Reference, Repository, Tag
from scanning.verdict import Outcome
from storage import held_tags, manifests
from storage.audit import DENIED, Event
from storage.database import Database, Transaction


@dataclass(frozen=True, slots=True)
class PushedManifest:
    """What the pusher is told. `subject` is set when the manifest refers to one and the gate took note of it."""

    digest: Digest
    subject: Digest | None
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Unjudged:
    """A manifest that could be read, and `why` its layers could not be inspected now."""

    manifest: Manifest
    body: bytes
    why: str


@dataclass(frozen=True, slots=True)
class Guards:
    """What says whether somebody may push, there is room, a tag may be set, and something may refer to another."""

    denials: Denials
    room: Room
    tags: TagGuard
    referrers: Referrers


class Push:
    """The use case."""

    def __init__(
        self,
        database: Database,
        images: ImageInspector,
        judge: Judge,
        promotion: Promotion,
        guards: Guards,
        trail: Trail,
        clock: Clock,
        public_url: str,
    ) -> None:
        self._database = database
        self._images = images
        self._judge = judge
        self._promotion = promotion
        self._guards = guards
        self._trail = trail
        self._clock = clock
        self._public_url = public_url

    async def push(
        self, caller: Caller, repository: Repository, reference: Reference, content_type: str, body: bytes
    ) -> PushedManifest:
        """Take a manifest. Raises what `_push` does, and `TooManyRequestsError` when too many pushes with the caller's
        token were refused lately.
        """
        token = caller.principal.grant
        self._guards.denials.check_pushes(token)
        try:
            return await self._push(caller, repository, reference, content_type, body)
        except (DeniedError, InvalidContentError, ManifestBlobUnknownError):
            self._guards.denials.push_refused(token)
            raise

    async def _push(
        self, caller: Caller, repository: Repository, reference: Reference, content_type: str, body: bytes
    ) -> PushedManifest:
        """Take a manifest.

        Raises `DeniedError` when the policy rejects it or too much refers to its subject already, `FixedTagError` when
        the tag must stay what it is, `SignaturesChangedError` when a signature goes that it was admitted for,
        `InvalidManifestError` when it cannot be read in one way only, `ManifestBlobUnknownError` when content it needs
        is missing, and `TooManyRequestsError` when too much of the caller's waits to be inspected already.
        """
        try:
            manifest = await self._read(repository, reference, content_type, body)
            judgement = await self._judge.judge(repository, manifest, body, Place.asked_by(caller))
            check_complete(judgement)
            if judgement.verdict.enforced is Outcome.ADMIT:
                check_alone(judgement)
        except BusyError as error:
            return await self._hold_unjudged(caller, repository, reference, Unjudged(manifest, body, str(error)))
        except (InvalidContentError, ManifestBlobUnknownError) as error:
            async with self._database.transaction() as tx:
                target = Target(repository, reference, Digest.of(body))
                await self._trail.write(tx, Event.PUSH, caller, target, outcome="invalid", detail=str(error))
            raise
        if judgement.verdict.enforced is Outcome.REJECT:
            async with self._promotion.upholding(repository, judgement):
                await self._reject(caller, repository, reference, judgement)
        async with (
            self._turn(caller, repository, reference, manifest) as (remarks, is_vouched),
            self._promotion.doubting(repository, await self._promotion.unsigned_by(repository, reference)),
        ):
            await self._judge.check_signed(repository, judgement)
            under_tag = await self._promotion.judge_under_tag(repository, reference, judgement) or judgement
            if under_tag.verdict.enforced is Outcome.REJECT:
                await self._reject(caller, repository, reference, under_tag)
            elif judgement.verdict.enforced is Outcome.ADMIT:
                await self._admit(caller, repository, reference, judgement, under_tag)
            else:
                await self._hold(caller, repository, reference, judgement, under_tag)
            if is_vouched:
                async with self._database.transaction() as tx:
                    await manifests.vouch(tx, repository, manifest.digest)
        await self._tell_subject(repository, manifest, reference)
        told = (*remarks, *warnings(under_tag.verdict, repository, reference, self._public_url))
        return PushedManifest(manifest.digest, manifest.subject.digest if manifest.subject else None, told)

    @asynccontextmanager
    async def _turn(
        self, caller: Caller, repository: Repository, reference: Reference, manifest: Manifest
    ) -> AsyncIterator[tuple[tuple[str, ...], bool]]:
        """The turn to let `reference` mean `manifest`, with what there is to remark on that, and whether it is a
        signature to be vouched for.

        Raises `FixedTagError`, or `DeniedError` where too much refers to its subject already.
        """
        async with self._promotion.turn(repository):
            try:
                await self._guards.room.check(repository, reference, manifest.digest)
                is_vouched = await self._guards.referrers.check_room(repository, manifest)
                remarks = await self._guards.tags.check_setting(caller, repository, reference, manifest)
            except DeniedError as error:
                async with self._database.transaction() as tx:
                    target = Target(repository, reference, manifest.digest)
                    await self._trail.write(tx, Event.PUSH, caller, target, outcome=DENIED, detail=str(error))
                raise
            yield remarks, is_vouched

    async def _read(self, repository: Repository, reference: Reference, content_type: str, body: bytes) -> Manifest:
        algorithm = reference.algorithm if isinstance(reference, Digest) else "sha256"
        manifest = await parse_manifest(body, content_type, algorithm)
        if isinstance(reference, Digest) and reference != manifest.digest:
            raise InvalidDigestError(f"the manifest has the digest {manifest.digest}, not {reference}")
        await self._images.check_blobs(repository, manifest)
        return manifest

    async def _reject(
        self, caller: Caller, repository: Repository, reference: Reference, judgement: Judgement
    ) -> NoReturn:
        async with self._database.transaction() as tx:
            await record(tx, judgement)
            await self._audit(tx, caller, repository, reference, judgement)
        self._promotion.judged_anew(repository, judgement)
        raise refuse(judgement.verdict, repository, reference, self._public_url)

    async def _hold(
        self,
        caller: Caller,
        repository: Repository,
        reference: Reference,
        judgement: Judgement,
        under_tag: Judgement,
    ) -> None:
        async with self._database.transaction() as tx:
            await record(tx, judgement)
            if under_tag is not judgement:
                await record(tx, under_tag)
            await record_manifest(tx, repository, judgement, held=True)
            if isinstance(reference, Tag):
                await held_tags.hold(tx, repository, reference, judgement.manifest.digest, judgement.verdict.judged_at)
            await self._audit(tx, caller, repository, reference, under_tag)
        self._promotion.judged_anew(repository, judgement)

    async def _hold_unjudged(
        self, caller: Caller, repository: Repository, reference: Reference, pushed: Unjudged
    ) -> PushedManifest:
        """Inspection fails, and not because of a rule: keep the manifest from everybody until it can be judged."""
        manifest, now = pushed.manifest, self._clock()
        async with (
            self._turn(caller, repository, reference, manifest) as (remarks, _),
            self._database.transaction() as tx,
        ):
            await manifests.record(tx, repository, manifest, pushed.body, held=True, facts=None, now=now)
            if isinstance(reference, Tag):
                await held_tags.hold(tx, repository, reference, manifest.digest, now)
            target = Target(repository, reference, manifest.digest)
            await self._trail.write(tx, Event.PUSH, caller, target, outcome=Outcome.QUARANTINE, detail=pushed.why)
        subject = manifest.subject.digest if manifest.subject else None
        told = (*remarks, uninspected(repository, reference, pushed.why))
        return PushedManifest(manifest.digest, subject, told)

    async def _admit(
        self,
        caller: Caller,
        repository: Repository,
        reference: Reference,
        judgement: Judgement,
        under_tag: Judgement,
    ) -> None:
        try:
            await self._promotion.publish(repository, judgement, reference)
        except UpstreamRefusedError as error:
            if error.code == "MANIFEST_BLOB_UNKNOWN":
                raise ManifestBlobUnknownError(str(error)) from error
            raise
        async with self._database.transaction() as tx:
            await self._promotion.record_published(tx, repository, judgement, reference)
            if under_tag is not judgement:
                await record(tx, under_tag)
            await self._audit(tx, caller, repository, reference, under_tag)

    async def _audit(
        self,
        tx: Transaction,
        caller: Caller,
        repository: Repository,
        reference: Reference,
        judgement: Judgement,
    ) -> None:
        target = Target(repository, reference, judgement.manifest.digest)
        await self._trail.write(tx, Event.PUSH, caller, target, verdict=judgement.verdict)

    async def _tell_subject(self, repository: Repository, manifest: Manifest, reference: Reference) -> None:
        """A signature may be what its subject was waiting for; and whatever takes the place of one takes it away
        (threat 108).
        """
        subjects: tuple[Digest, ...]
        if manifest.kind is not ManifestKind.SIGNATURE:
            subjects = await self._promotion.unsigned_by(repository, reference)
        elif manifest.subject:
            subjects = (manifest.subject.digest,)
        else:
            subjects = await self._promotion.signed_under(repository, reference)
        for subject in subjects:
            await self._promotion.signed(repository, subject)
