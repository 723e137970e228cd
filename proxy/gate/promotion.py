"""What was held goes upstream once its verdict allows it: a signature arrived, or policy or advisories changed.

Whoever changes what a repository's tags mean takes turns (`turn`), in all processes on one database, so that an image
that was judged for a long time never takes a tag back from a newer one.
"""

from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from functools import partial

import structlog

from config.errors import ImagegateError
from proxy.clock import Clock
from proxy.errors import FixedTagError, SignaturesChangedError, TooManyRequestsError
from proxy.gate.admissions import Admissions
from proxy.gate.content import parse_manifest
from proxy.gate.downgrades import Downgrades
from proxy.gate.judgement import Judge, Judgement, check_alone, check_complete
from proxy.gate.recording import record, record_manifest
from proxy.gate.tags import TagGuard
from proxy.gate.trail import Target, Trail
from proxy.gate.wanted_sboms import want_sboms
from proxy.shared_tasks import Rounds
from proxy.upstream.port import Upstream, UpstreamError
from scanning.oci.digest import Digest
from scanning.oci.names import Reference, Repository, Tag
from scanning.signatures.discover import is_signature_tag, signed_prefix
from scanning.verdict import Outcome, Verdict
from storage import held_tags, manifests, tag_history, verdicts
from storage.audit import DENIED, Event
from storage.database import Database, Transaction
from storage.errors import StorageError

_MOST_ATTEMPTS = 3
"""How often judging one manifest that waits unjudged may fail before it is left alone. An upstream or a database that
is down, or a queue that is full, counts for nothing."""
_log = structlog.get_logger(__name__)


class Promotion:
    """Judges held manifests again and lets them go."""

    def __init__(
        self,
        database: Database,
        upstream: Upstream,
        judge: Judge,
        admissions: Admissions,
        guard: TagGuard,
        downgrades: Downgrades,
        trail: Trail,
        clock: Clock,
    ) -> None:
        self._database = database
        self._upstream = upstream
        self._judge = judge
        self._admissions = admissions
        self._guard = guard
        self._downgrades = downgrades
        self._trail = trail
        self._clock = clock
        self._failed: dict[tuple[Repository, Digest], int] = {}
        self._signed = Rounds[tuple[Repository, Digest], None]()

    def turn(self, repository: Repository) -> AbstractAsyncContextManager[None]:
        """The turn to change what the tags of `repository` mean. Raises `StorageUnavailableError`."""
        return self._database.turn(f"tags of {repository}")

    def judged_anew(self, repository: Repository, judgement: Judgement) -> None:
        """Forget what was known of a manifest and of what it lists. Call it once a judgement is recorded."""
        self._admissions.forget_judged(repository, judgement)

    def deleted(self, repository: Repository, *digests: Digest) -> None:
        """Forget manifests. Call it once their deletion is recorded."""
        self._admissions.forget(repository, *digests)

    @asynccontextmanager
    async def upholding(self, repository: Repository, judgement: Judgement) -> AsyncIterator[None]:
        """A judgement that nobody has the turn for is recorded meanwhile: if signatures matter to it, in the turn, and
        only if they are still there (see `Judge.check_signed`).
        """
        if not judgement.is_signed:
            yield
            return
        async with self.turn(repository):
            await self._judge.check_signed(repository, judgement)
            yield

    async def signed_under(self, repository: Repository, *references: Reference) -> tuple[Digest, ...]:
        """What the signatures under tags are for. A digest that is too long for a tag is looked up among those on
        record: no other is admitted. Call it in the turn of `repository` where that matters.
        """
        found: dict[Digest, None] = {}
        for prefix in filter(None, map(signed_prefix, references)):
            async with self._database.snapshot() as tx:
                found |= dict.fromkeys(await manifests.beginning_with(tx, repository, prefix))
        return tuple(found)

    async def unsigned_by(self, repository: Repository, *references: Reference) -> tuple[Digest, ...]:
        """What is signed, or no more, when one of `references` means something else."""
        return await self.signed_under(repository, *filter(is_signature_tag, references))

    @asynccontextmanager
    async def doubting(self, repository: Repository, subjects: Iterable[Digest]) -> AsyncIterator[None]:
        """What `subjects` are signed with changes meanwhile: neither what was judged of them until then stands, nor of
        what they list and the indexes that list them, even if judging them again fails (threat 108). It is for the
        caller to do that.
        """
        wanted = frozenset(subjects)
        await self._doubt(repository, wanted)
        try:
            yield
        finally:
            await self._doubt(repository, wanted)

    async def _doubt(self, repository: Repository, subjects: frozenset[Digest]) -> None:
        if not subjects:
            return
        concerned: set[Digest] = set()
        async with self._database.snapshot() as tx:
            for subject in subjects:
                concerned |= {*await manifests.ancestors(tx, repository, subject)}
                concerned |= await _within(tx, repository, subject)
            last = await verdicts.latest_of_many(tx, {(repository, digest) for digest in concerned})
        admitted = [digest for (_, digest), verdict in last.items() if verdict.enforced is Outcome.ADMIT]
        if admitted:
            async with self._database.transaction() as tx:
                await manifests.doubt(tx, repository, sorted(admitted), self._clock())
            self._admissions.forget(repository, *admitted)

    async def publish(
        self, repository: Repository, judgement: Judgement, *references: Reference
    ) -> tuple[Reference, ...]:
        """Give an admitted manifest to the upstream under `references` and the tags that wait for it, after what it
        lists; gives all of these. Call it in the turn of `repository`. A tag that must not be moved, or would go back,
        waits no longer.
        """
        for child in judgement.children:
            await self.publish(repository, child, *((child.manifest.digest,) if child.held else ()))
        await self._give_up(repository, judgement)
        waiting = await self._waiting(repository, judgement.manifest.digest)
        every = tuple(dict.fromkeys((*references, *waiting)))
        for reference in every:
            await self._upstream.put_manifest(repository, reference, judgement.manifest.media_type, judgement.body)
        return every

    async def judge_under_tag(
        self, repository: Repository, reference: Reference, judgement: Judgement
    ) -> Judgement | None:
        """See `Downgrades.judge`."""
        return await self._downgrades.judge(repository, reference, judgement)

    async def record_published(
        self, tx: Transaction, repository: Repository, judgement: Judgement, *references: Reference
    ) -> None:
        """Record an admission after `publish` under `references`: nothing of it is held any more, no tag waits for it,
        and it was admitted under all of them.
        """
        await record(tx, judgement)
        await record_manifest(tx, repository, judgement, held=False, published=True)
        await want_sboms(tx, self._upstream, repository, judgement)
        for reference in references:
            if isinstance(reference, Tag):
                await self._let_go(tx, repository, reference, judgement)
        await self._let_go_waiting(tx, repository, judgement)

    async def record_found(self, repository: Repository, judgement: Judgement) -> None:
        """Record the first judgement of a manifest that was found at the upstream. Raises `SignaturesChangedError`."""
        async with self.upholding(repository, judgement), self._database.transaction() as tx:
            await record(tx, judgement)
            await record_manifest(tx, repository, judgement, held=False)
            await want_sboms(tx, self._upstream, repository, judgement)
        self.judged_anew(repository, judgement)

    async def settle(self, repository: Repository, judgement: Judgement) -> None:
        """Record a new judgement of a manifest that the gate knows; if it is held and admitted now, let it go. Raises
        `SignaturesChangedError`.
        """
        digest = judgement.manifest.digest
        async with self.turn(repository):
            await self._judge.check_signed(repository, judgement)
            async with self._database.snapshot() as tx:
                known = await manifests.find(tx, repository, digest)
                last = await verdicts.latest(tx, repository, digest)
            waiting = await self._waiting(repository, digest)
            is_held = known is not None and known.held
            if judgement.verdict.enforced is not Outcome.ADMIT or not (is_held or waiting):
                async with self._database.transaction() as tx:
                    await record(tx, judgement)
                    if known is not None:  # else it was deleted meanwhile
                        await record_manifest(tx, repository, judgement, held=is_held)
                        if not is_held:
                            await want_sboms(tx, self._upstream, repository, judgement)
                        await self._note_change(tx, repository, judgement, last)
                self.judged_anew(repository, judgement)
                return
            check_complete(judgement)
            check_alone(judgement)
            async with self.doubting(repository, await self.unsigned_by(repository, *waiting)):
                published = await self.publish(repository, judgement, digest)
                async with self._database.transaction() as tx:
                    await self.record_published(tx, repository, judgement)
                    target = Target(repository, digest, digest)
                    names = ", ".join(tag.name for tag in published if isinstance(tag, Tag))
                    await self._trail.write(tx, Event.PROMOTE, None, target, verdict=judgement.verdict, detail=names)

    async def signed(self, repository: Repository, digest: Digest) -> None:
        """Judge a manifest again because a signature of it arrived, then the indexes that list it and wait for one.

        However many arrive at the same time, it is judged once for all that are there when that begins. The indexes are
        left alone while nobody's signature of it counts, so that worthless ones cost no more than one judgement.
        """
        await self._signed.round((repository, digest), partial(self._judge_signed, repository, digest))

    async def _judge_signed(self, repository: Repository, digest: Digest) -> None:
        judgement = await self._reconsider(repository, digest)
        if judgement is not None and not judgement.case.signatures.verified:
            return
        async with self._database.snapshot() as tx:
            indexes = await manifests.ancestors(tx, repository, digest)
        for index in indexes:
            if await self._may_wait(repository, index):
                await self._reconsider(repository, index)

    async def _may_wait(self, repository: Repository, digest: Digest) -> bool:
        """Whether a signature may change what becomes of a manifest: it is not out yet, or not as an admitted one."""
        async with self._database.snapshot() as tx:
            known = await manifests.find(tx, repository, digest)
            last = await verdicts.latest(tx, repository, digest)
            waiting = await held_tags.of(tx, repository, digest)
        is_admitted = last is not None and last.enforced is Outcome.ADMIT
        return not is_admitted or bool(waiting) or (known is not None and known.held)

    async def reconsider(self, repository: Repository, digest: Digest) -> None:
        """Judge a manifest again because something is known of it that was not, then the indexes that list it.

        A manifest the gate does not know is left alone: it is judged when somebody asks for it.
        """
        async with self._database.snapshot() as tx:
            indexes = await manifests.ancestors(tx, repository, digest)
        for waiting in (digest, *indexes):
            await self._reconsider(repository, waiting)

    async def reconsider_all(self) -> None:
        """Judge everything that waits again: at start, and when policy or advisories changed.

        One that fails is logged and stays held.
        """
        async with self._database.snapshot() as tx:
            waiting = {*await manifests.held(tx), *await held_tags.manifests_waited_for(tx)}
        for repository, digest in sorted(waiting):
            try:
                await self.reconsider(repository, digest)
            except ImagegateError as error:
                _log.warning("still held", repository=str(repository), digest=str(digest), problem=str(error))

    async def judge_due(self, now: datetime) -> None:
        """Judge what is held and whose verdict has run out by `now`, since what had to wait for a while may be let go;
        and what was in doubt when somebody failed to judge it.
        """
        async with self._database.snapshot() as tx:
            waiting = await manifests.due(tx, now)
        for repository, digest in waiting:
            try:
                await self.reconsider(repository, digest)
            except ImagegateError as error:
                _log.warning("still held", repository=str(repository), digest=str(digest), problem=str(error))

    async def judge_unjudged(self) -> None:
        """Judge what was pushed while inspection failed. Call it when inspection works.

        A manifest for which that fails again and again is left held until its tags are pushed anew, policy or
        advisories change, or the gate starts again.
        """
        async with self._database.snapshot() as tx:
            waiting = await manifests.unjudged(tx)
        self._failed = {key: self._failed[key] for key in waiting if key in self._failed}
        for repository, digest in waiting:
            if self._failed.get((repository, digest), 0) >= _MOST_ATTEMPTS:
                continue
            try:
                await self.reconsider(repository, digest)
            except ImagegateError as error:
                if not isinstance(error, UpstreamError | StorageError | TooManyRequestsError):
                    self._failed[repository, digest] = self._failed.get((repository, digest), 0) + 1
                _log.warning("not judged yet", repository=str(repository), digest=str(digest), problem=str(error))

    async def _note_change(
        self, tx: Transaction, repository: Repository, judgement: Judgement, last: Verdict | None
    ) -> None:
        """Audit a judgement that nobody's request is on record for, where it decides something new."""
        if last is None or last.enforced is not judgement.verdict.enforced:
            digest = judgement.manifest.digest
            target = Target(repository, digest, digest)
            await self._trail.write(tx, Event.JUDGE, None, target, verdict=judgement.verdict)

    async def _reconsider(self, repository: Repository, digest: Digest) -> Judgement | None:
        """The new judgement, which is recorded; None of a manifest that the gate does not know."""
        async with self._database.snapshot() as tx:
            known = await manifests.find(tx, repository, digest)
        if known is None:
            return None
        manifest = await parse_manifest(known.body, known.media_type, digest.algorithm)
        for attempt in range(_MOST_ATTEMPTS):
            judgement = await self._judge.judge(repository, manifest, known.body)
            try:
                await self.settle(repository, judgement)
            except SignaturesChangedError:
                if attempt + 1 == _MOST_ATTEMPTS:
                    raise
            else:
                break
        return judgement

    async def _give_up(self, repository: Repository, judgement: Judgement) -> None:
        digest = judgement.manifest.digest
        for tag in await self._waiting(repository, digest):
            refused: Verdict | None = None
            try:
                await self._guard.check_promotion(repository, tag, digest)
                under_tag = await self._downgrades.judge(repository, tag, judgement)
                if under_tag is None or under_tag.verdict.enforced is not Outcome.REJECT:
                    continue
                refused, why = under_tag.verdict, under_tag.verdict.violations[0].sentence
            except FixedTagError as error:
                under_tag, why = None, str(error)
            async with self._database.transaction() as tx:
                await held_tags.drop(tx, repository, tag)
                if under_tag is not None:
                    await record(tx, under_tag)
                target = Target(repository, tag, digest)
                await self._trail.write(tx, Event.PROMOTE, None, target, verdict=refused, outcome=DENIED, detail=why)

    async def _waiting(self, repository: Repository, digest: Digest) -> tuple[Tag, ...]:
        async with self._database.snapshot() as tx:
            return await held_tags.of(tx, repository, digest)

    async def _let_go_waiting(self, tx: Transaction, repository: Repository, judgement: Judgement) -> None:
        for child in judgement.children:
            await self._let_go_waiting(tx, repository, child)
        for tag in await held_tags.of(tx, repository, judgement.manifest.digest):
            await self._let_go(tx, repository, tag, judgement)

    async def _let_go(self, tx: Transaction, repository: Repository, tag: Tag, judgement: Judgement) -> None:
        await held_tags.drop(tx, repository, tag)
        await tag_history.record(tx, repository, tag, judgement.manifest.digest, judgement.verdict.judged_at)
        await self._downgrades.remember(tx, repository, tag, judgement)


async def _within(tx: Transaction, repository: Repository, digest: Digest) -> set[Digest]:
    """A manifest and all that it lists, which its signature is for as well."""
    found: set[Digest] = set()
    waiting = [digest]
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            waiting += await manifests.children(tx, repository, one)
    return found
