"""Somebody pulls: a tag is resolved once, its bytes are judged under today's policy, and exactly these are served.

    manifest by tag or digest -> who holds it (upstream, or the gate in quarantine) -> verdict -> bytes or 403
    blob -> only through an admitted manifest of the same repository (threat 35)

Whoever may push to a repository may read what is held there, to sign it, and learns the truth from HEAD. Everyone
gets only what a verdict admits: what nobody judged yet is judged first, once, and all who ask wait for it (threat 47).

Where the policy says `serve: last-admitted`, a tag whose newest manifest is not admitted means, to those who may only
pull, the last one of it that is. One that is no tag of the upstream any more means nothing, whatever it meant once.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from functools import partial

from proxy.ahead import AHEAD
from proxy.errors import (
    BlobUnknownError,
    BusyError,
    DeniedError,
    ManifestBlobUnknownError,
    ManifestUnknownError,
)
from proxy.gate.behind import Behind
from proxy.gate.content import on_record, parse_manifest
from proxy.gate.decision import Decision
from proxy.gate.judgement import Judge, Place
from proxy.gate.promotion import Promotion
from proxy.gate.recalled import Recalled
from proxy.gate.refusal import refuse
from proxy.gate.standing import StandingVerdicts
from proxy.gate.tag_views import TagViews
from proxy.gate.trail import Target, Trail
from proxy.identity.principal import Action, Caller
from proxy.shared_tasks import SharedTasks
from proxy.upstream.port import StoredManifest, UpstreamError
from proxy.upstream.slots import on_behalf_of_all
from scanning.errors import InvalidContentError
from scanning.oci.digest import Digest
from scanning.oci.manifest import Manifest
from scanning.oci.names import Reference, Repository, Tag
from scanning.verdict import Outcome, Verdict
from storage import held_tags, manifests
from storage.audit import DENIED, SERVED, Event
from storage.database import Database
from storage.errors import StorageError
from storage.judged import Judged

_PENDING_SECONDS = 10
"""When to ask again for an image whose inspection failed for a reason that is not the image's."""
_MOST_JUDGED = 16
"""How many of the images that share a blob are judged because somebody asks for it; pulling its manifest judges one."""


class Pull:
    """The use case."""

    def __init__(
        self,
        database: Database,
        behind: Behind,
        judge: Judge,
        promotion: Promotion,
        standing: StandingVerdicts,
        views: TagViews,
        trail: Trail,
        public_url: str,
    ) -> None:
        self._database = database
        self._behind = behind
        self._judge = judge
        self._promotion = promotion
        self._standing = standing
        self._views = views
        self._trail = trail
        self._public_url = public_url
        self._judging = SharedTasks[tuple[Repository, Digest], Verdict]()
        self._renewing: set[asyncio.Task[None]] = set()

    async def manifest(
        self, caller: Caller, repository: Repository, reference: Reference, *, head: bool
    ) -> StoredManifest:
        """The manifest `reference` means, if `caller` may have it.

        Raises `ManifestUnknownError`, `DeniedError` with the verdict's reasons, or `TooManyRequestsError` when it must
        be inspected first and too much of the caller's waits for that already.
        """
        pusher = caller.principal.granted(Action.PUSH, repository)
        moment = self._standing.admissions.moment
        recalled = await self._standing.recall_manifest(repository, reference)
        last: Judged | None = None
        if recalled is not None:
            self._look_ahead(repository, recalled)
            behind: StoredManifest | None = recalled.stored
            held: StoredManifest | None = None
        elif isinstance(reference, Tag):
            held = await self._held(repository, reference)
            behind = None if pusher and held else await self._behind.find(repository, reference)
        else:
            last = await self._standing.records.find(repository, reference)
            known = last.manifest
            held = on_record(known) if known and known.held else None
            behind = None if pusher and held else await self._by_digest(repository, reference, last, pusher and head)
        stored = behind or held
        if stored is None:
            raise ManifestUnknownError(f"{repository} has no manifest {reference}")
        if pusher and head:
            return stored
        if recalled is None and last is None:
            last = await self._standing.records.find(repository, stored.digest)
            if behind is not None:
                self._behind.saw(last.manifest)
        decide = partial(self._decide, Place.asked_by(caller), repository)
        decision = recalled or await decide(stored, last)
        if behind is not None and not pusher and isinstance(reference, Tag):
            decision = await self._views.for_those_who_pull(repository, reference, decision, decide)
        admitted = decision.enforces(Outcome.ADMIT) or (pusher and decision.enforces(Outcome.QUARANTINE))
        if recalled is None and behind is not None and decision.enforces(Outcome.ADMIT):
            self._standing.admissions.remember_manifest(repository, decision, moment)
        if not admitted or not head:
            remark = "" if decision.stored is stored else f"instead of {stored.digest}, which is not admitted"
            self._record(caller, repository, reference, decision, remark, admitted=admitted)
        if isinstance(decision.verdict, DeniedError):
            raise decision.verdict
        if not admitted:
            raise refuse(decision.verdict, repository, reference, self._public_url)
        return decision.stored

    def recall(self, caller: Caller, repository: Repository, stored: StoredManifest, *, head: bool) -> Recalled | None:
        """How `manifest` would give `stored` without asking anybody; None where it would ask."""
        digest = stored.digest
        found = self._standing.recall_at_once(repository, digest)
        if found is None or found.stored != stored or not isinstance(found.verdict, Verdict):
            return None
        target = Target(repository, digest, digest)
        record = None
        if not head:
            record = self._trail.repeated(Event.PULL, caller, target, verdict=found.verdict, outcome=SERVED)
        return Recalled(record, partial(self._still_holds, repository, found))

    def _still_holds(self, repository: Repository, found: Decision) -> bool:
        if self._standing.recall_at_once(repository, found.stored.digest) is not found:
            return False
        self._look_ahead(repository, found)
        return True

    def _look_ahead(self, repository: Repository, known: Decision) -> None:
        """Look up again what is asked for all the time before it must be, so that nobody waits for that."""
        if self._standing.admissions.is_to_be_renewed(repository, known.stored.digest):
            task = asyncio.create_task(self._renew(repository, known), name=AHEAD, context=on_behalf_of_all())
            self._renewing.add(task)
            task.add_done_callback(self._renewing.discard)

    async def _renew(self, repository: Repository, known: Decision) -> None:
        digest = known.stored.digest
        moment = self._standing.admissions.moment
        try:
            last = await self._standing.records.find(repository, digest)
            stored = await self._by_digest(repository, digest, last)
        except (UpstreamError, StorageError):
            return  # whoever asks once it is too old is told
        if last.verdict == known.verdict and stored == known.stored:
            self._standing.admissions.remember_manifest(repository, known, moment)
        else:
            self._standing.admissions.forget(repository, digest)

    async def check_blob(self, caller: Caller, repository: Repository, digest: Digest) -> None:
        """Return if `caller` may read the blob. Raises `DeniedError` or `BlobUnknownError`."""
        if caller.principal.granted(Action.PUSH, repository):
            return
        is_admitted, holders, to_judge = await self._survey(repository, digest)
        if is_admitted:
            return
        for holder in to_judge[:_MOST_JUDGED]:
            async with self._database.snapshot() as tx:
                known = await manifests.find(tx, repository, holder)
            if known is None:
                continue
            stored = on_record(known)
            with suppress(DeniedError):  # another image that has it may be admitted
                verdict = await self._verdict_on(Place.asked_by(caller), repository, stored)
                if verdict.enforced is Outcome.ADMIT:
                    return
        if not holders:
            raise BlobUnknownError(
                f"no manifest that the gate knows in {repository} refers to blob {digest}; pull the manifest first"
            )
        self._trail.note(Event.PULL, caller, Target(repository, digest, digest), outcome=DENIED, detail="blob")
        raise DeniedError(f"blob {digest} of {repository} belongs to no admitted image; it is served with one only")

    async def admits_blob(self, repository: Repository, digest: Digest) -> bool:
        """Whether an image that stands as admitted refers to the blob; nothing is judged for that."""
        is_admitted, _, _ = await self._survey(repository, digest)
        return is_admitted

    def note_repeated(self, lines: bytes) -> None:
        """See `Trail.note_repeated`."""
        self._trail.note_repeated(lines)

    async def _survey(self, repository: Repository, digest: Digest) -> tuple[bool, Sequence[Digest], Sequence[Digest]]:
        """Whether an admitted image has the blob; if not: which images have it, and which of them must be judged."""
        if await self._standing.recalls_blob(repository, digest):
            return True, (), ()
        moment = self._standing.admissions.moment
        async with self._database.snapshot() as tx:
            holders = await manifests.holders(tx, repository, digest)
        admitting, to_judge = await self._standing.survey(repository, holders)
        if admitting is not None:
            self._standing.admissions.remember_blob(repository, digest, admitting, moment)
        return admitting is not None, holders, to_judge

    async def _decide(
        self, place: Place, repository: Repository, stored: StoredManifest, last: Judged | None = None
    ) -> Decision:
        """`last` is what is on record of it, where that was read already."""
        try:
            return Decision(stored, await self._verdict_on(place, repository, stored, last))
        except DeniedError as error:
            return Decision(stored, error)

    def _record(
        self,
        caller: Caller,
        repository: Repository,
        reference: Reference,
        decision: Decision,
        remark: str,
        *,
        admitted: bool,
    ) -> None:
        refusal = decision.verdict if isinstance(decision.verdict, DeniedError) else None
        verdict = decision.verdict if isinstance(decision.verdict, Verdict) else None
        detail = str(refusal) if refusal else remark
        target = Target(repository, reference, decision.stored.digest)
        outcome = SERVED if admitted else DENIED
        self._trail.note(Event.PULL, caller, target, verdict=verdict, outcome=outcome, detail=detail)

    async def _held(self, repository: Repository, tag: Tag) -> StoredManifest | None:
        """What the gate alone keeps, and will be under `tag`."""
        async with self._database.snapshot() as tx:
            digest = await held_tags.find(tx, repository, tag)
            known = await manifests.find(tx, repository, digest) if digest else None
        return None if known is None else on_record(known)

    async def _by_digest(
        self, repository: Repository, digest: Digest, last: Judged, must_ask: bool = False
    ) -> StoredManifest | None:
        believed = None if must_ask else self._behind.believed(last.manifest)
        return believed or await self._behind.get(repository, digest, last.manifest)

    async def _verdict_on(
        self, place: Place, repository: Repository, stored: StoredManifest, last: Judged | None = None
    ) -> Verdict:
        on_record = last or await self._standing.records.find(repository, stored.digest)
        # What is on record no more is recorded anew, with the blobs that may be read because of it.
        standing = await self._standing.measured(on_record.verdict) if on_record.manifest is not None else None
        # Under another media type the same bytes can be another thing: then they are read, and judged, anew.
        if standing is not None and standing.inputs.media_type == stored.media_type:
            return standing
        try:
            manifest = await parse_manifest(stored.body, stored.media_type, stored.digest.algorithm)
        except InvalidContentError as error:
            raise DeniedError(
                f"{repository}@{stored.digest} is refused: its manifest cannot be read in one way only: {error}"
            ) from error
        return await self._judge_once(place, repository, manifest, stored)

    async def _judge_once(
        self, place: Place, repository: Repository, manifest: Manifest, stored: StoredManifest
    ) -> Verdict:
        key = repository, stored.digest
        task = self._judging.get(key)
        if task is None:
            task = self._judging.begin(key, self._judge_and_record(place, repository, manifest, stored))
        return await asyncio.shield(task)

    async def _judge_and_record(
        self, place: Place, repository: Repository, manifest: Manifest, stored: StoredManifest
    ) -> Verdict:
        try:
            judgement = await self._judge.judge(repository, manifest, stored.body, place)
        except BusyError as error:
            pending = f"{repository}@{stored.digest} is not inspected yet, so nobody can pull it: {error}"
            raise DeniedError(pending, retry_after=_PENDING_SECONDS) from error
        except ManifestBlobUnknownError as error:
            raise DeniedError(f"{repository}@{stored.digest} cannot be inspected: {error}") from error
        except InvalidContentError as error:
            raise DeniedError(f"{repository}@{stored.digest} is refused: {error}") from error
        async with self._database.snapshot() as tx:
            known = await manifests.find(tx, repository, stored.digest)
        if known is not None:
            await self._promotion.settle(repository, judgement)
        else:
            await self._promotion.record_found(repository, judgement)
        return judgement.verdict
