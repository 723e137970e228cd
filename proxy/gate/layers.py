"""Layers become facts: while they are uploaded, or read back as soon as they are there when nobody looked at them then.

Each layer is inspected once, whoever asks and however many ask at the same time; what was found is kept by digest.
"""

import asyncio
import hashlib
from collections import deque
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import structlog

from proxy.errors import BusyError, ManifestBlobUnknownError, TooManyRequestsError
from proxy.gate.blob_scans import BlobScans
from proxy.gate.claims import ReadingClaims
from proxy.gate.content import broken, proven
from proxy.gate.knowledge import Knowledge, LayerOutcome
from proxy.gate.pace import UploadPace
from proxy.inspection.errors import InspectionQueueFullError
from proxy.inspection.pool import InspectionFailedError, InspectionPool, RunningInspection
from proxy.shared_tasks import SharedTasks
from proxy.upstream.port import ContentSource, UpstreamError
from scanning.errors import LimitExceededError, NotALayerError, UnreadableLayerError
from scanning.facts import FAULT, LayerFacts, LayerRefusal
from scanning.layers.limits import InspectionLimits
from scanning.oci.digest import Digest
from scanning.oci.manifest import Descriptor
from scanning.oci.names import Repository
from storage.errors import StorageError

_log = structlog.get_logger(__name__)
_RETRY_SECONDS = 10
"""When to ask again for what was not even queued."""

_MOST_AHEAD = 8
"""Blobs read back before a manifest names them. More would fill the queue that manifests wait in, for little."""

_LOOK_SECONDS = 0.05
"""How often to look whether another process has read what it began to read."""

_COMPUTED = "sha256"
"""The algorithm by which the inspection workers name a layer."""


class LayerObserver:
    """Inspects one blob while it is uploaded. It never fails an upload: what it misses is read back later."""

    def __init__(self, inspector: "LayerInspector", running: RunningInspection) -> None:
        self._inspector = inspector
        self._running: RunningInspection | None = running

    async def feed(self, chunk: bytes) -> None:
        """Hand over the next bytes; waits while the inspection is behind."""
        if self._running is None:
            return
        try:
            await self._running.feed(chunk)
        except (UnreadableLayerError, InspectionFailedError):
            await self.abandon()

    async def finish(self, digest: Digest) -> None:
        """The upload is a blob named `digest` now: keep its facts.

        Refusals are not kept: what was observed is only proven to be the blob once its digest was computed.
        """
        running, self._running = self._running, None
        if running is None:
            return
        try:
            facts = await running.finish()
        except (UnreadableLayerError, InspectionFailedError):
            return
        if facts.digest == digest and not facts.is_provisional:
            with suppress(StorageError):
                await self._inspector.keep(facts)

    async def abandon(self) -> None:
        """Stop looking."""
        running, self._running = self._running, None
        if running is not None:
            await running.abandon()


class LayerInspector:
    """The facts of layers, by digest. What is read behind uploads waits for a calm moment, or to be asked for; then it
    is looked at for malware as well, with `scans`. Of several serving processes that share `claims` one reads a blob.
    """

    def __init__(
        self,
        knowledge: Knowledge,
        source: ContentSource,
        pool: InspectionPool,
        *,
        scans: BlobScans | None = None,
        observes_uploads: bool = True,
        pace: UploadPace | None = None,
        claims: ReadingClaims | None = None,
    ) -> None:
        self._knowledge = knowledge
        self._source = source
        self._pool = pool
        self._pace = pace or UploadPace()
        self._claims = claims or ReadingClaims()
        self._scans = scans
        self._observes_uploads = observes_uploads
        self._running = SharedTasks[Digest, LayerOutcome]()
        self._ahead: dict[Digest, asyncio.Event] = {}  # set once somebody waits for it

    @property
    def limits(self) -> InspectionLimits:
        """The bounds of an inspection."""
        return self._pool.limits

    async def observe(self) -> LayerObserver | None:
        """Look at an upload from its first byte; None while every worker is busy, or if uploads are not observed."""
        running = await self._pool.try_begin() if self._observes_uploads else None
        return LayerObserver(self, running) if running is not None else None

    def bytes_uploaded(self, count: int) -> None:
        """So many bytes of an upload arrived just now: what can wait waits while they come fast."""
        self._pace.note(count)

    def inspect_ahead(self, repository: Repository, digest: Digest, tenant: str) -> None:
        """Read back a blob that nobody observed as soon as uploads leave time for it. Whoever names it in a manifest
        has it read at once, and waits for what is found.

        Nothing is raised, and nothing is lost if it fails or is left out: the manifest then has it read.
        """
        if len(self._ahead) < _MOST_AHEAD and self._running.get(digest) is None:
            wanted = self._ahead[digest] = asyncio.Event()
            self._running.begin(digest, self._inspect_behind(repository, digest, tenant, wanted)).add_done_callback(
                lambda _: self._ahead.pop(digest, None)
            )

    async def keep(self, facts: LayerFacts) -> None:
        """Record what an inspection found."""
        await self._knowledge.keep_layer(facts)

    async def outcomes(
        self, repository: Repository, digests: Iterable[Digest], tenant: str = ""
    ) -> Mapping[Digest, LayerOutcome]:
        """The facts of each layer, or why it cannot be read; layers not known yet are read from `repository`, when it
        is the turn of `tenant`.

        Raises `ManifestBlobUnknownError` for a layer that is not there, `BusyError` when inspection itself fails,
        `TooManyRequestsError` when too much of the tenant's waits already.
        """
        wanted = tuple(dict.fromkeys(digests))
        known: dict[Digest, LayerOutcome] = dict(await self._knowledge.layers(wanted))
        for digest in self._ahead.keys() & set(wanted):
            self._ahead[digest].set()
        known |= await self._inspect_several(repository, [one for one in wanted if one not in known], tenant)
        return known

    async def _inspect_several(
        self, repository: Repository, digests: Iterable[Digest], tenant: str
    ) -> Mapping[Digest, LayerOutcome]:
        """One after the other, and as many more at a time as there are workers that nobody else waits for. What is
        being read already, here or in another process, takes no worker from anybody.
        """
        waiting = deque(digests)
        running: dict[asyncio.Task[LayerOutcome], Digest] = {}
        being_read: set[Digest] = set()
        found: dict[Digest, LayerOutcome] = {}

        def begin(digest: Digest) -> None:
            waiting.remove(digest)
            running[asyncio.create_task(self._inspect_once(repository, digest, tenant))] = digest

        try:
            while waiting or running:
                for digest in [one for one in waiting if self._claims.is_held(one)]:
                    being_read.add(digest)
                    begin(digest)
                begun = 0  # and has not taken its worker yet
                while waiting and (being_read.issuperset(running.values()) or begun < self._pool.spare):
                    begin(waiting[0])
                    begun += 1
                ended, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for task in ended:
                    found[running.pop(task)] = task.result()
        finally:
            for task in running:  # the inspections themselves go on: what they find is kept
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
        return found

    async def _inspect_once(self, repository: Repository, digest: Digest, tenant: str) -> LayerOutcome:
        begun_by_others = self._running.get(digest)
        if begun_by_others is not None:
            # What is in their repository, and how much of theirs waits, says nothing of this one (threats 17 and 75).
            with suppress(ManifestBlobUnknownError, TooManyRequestsError, UpstreamError):
                return await asyncio.shield(begun_by_others)
        task = self._running.get(digest)
        if task is None:
            task = self._running.begin(digest, self._inspect_unknown(repository, digest, tenant))
        return await asyncio.shield(task)

    async def _inspect_behind(
        self, repository: Repository, digest: Digest, tenant: str, wanted: asyncio.Event
    ) -> LayerOutcome:
        while not wanted.is_set() and (pause := self._pace.seconds_until_calm()):
            with suppress(TimeoutError):
                await asyncio.wait_for(wanted.wait(), pause)
        outcome = await self._inspect_unknown(repository, digest, tenant, may_be_no_layer=True)
        if self._scans is not None and isinstance(outcome, LayerFacts):
            self._scans.look_ahead(repository, outcome)
        return outcome

    async def _inspect_unknown(
        self, repository: Repository, digest: Digest, tenant: str, *, may_be_no_layer: bool = False
    ) -> LayerOutcome:
        """Inspect a blob, unless somebody has done so by now; while another process does, wait for what it finds."""
        while True:
            if self._claims.is_held(digest):
                await asyncio.sleep(_LOOK_SECONDS)
                continue
            known = await self._on_record(digest)
            if known is not None:
                return known
            # A worker before the claim, which is held by nobody who still waits for his turn; and before a connection
            # to the upstream, for the same reason.
            async with self._worker(digest, tenant) as running:
                with self._claims.taken(digest) as is_ours:
                    if is_ours:  # and another process may have been first while this one waited
                        return await self._on_record(digest) or await self._inspect(
                            running, repository, digest, may_be_no_layer=may_be_no_layer
                        )

    async def _on_record(self, digest: Digest) -> LayerOutcome | None:
        return (await self._knowledge.layers((digest,))).get(digest)

    @asynccontextmanager
    async def _worker(self, digest: Digest, tenant: str) -> AsyncIterator[RunningInspection]:
        try:
            running = await self._pool.begin(tenant)
        except InspectionFailedError as error:
            raise _busy(digest, error) from error
        except InspectionQueueFullError as error:
            raise TooManyRequestsError(
                f"layer {digest} is not inspected yet: {error}", retry_after=_RETRY_SECONDS
            ) from error
        try:
            yield running
        finally:
            await running.abandon()

    async def _inspect(
        self, running: RunningInspection, repository: Repository, digest: Digest, *, may_be_no_layer: bool
    ) -> LayerOutcome:
        try:
            outcome = await self._read_back(running, repository, digest)
        except LimitExceededError as error:
            return _refusal(digest, error)  # not kept: the limit may be raised
        except UnreadableLayerError as error:
            outcome = _refusal(digest, error)
            if may_be_no_layer and isinstance(error, NotALayerError):
                return outcome  # not kept: most likely a configuration, which nobody will take for a layer
            await self._prove(repository, digest)
        except InspectionFailedError as error:
            raise _busy(digest, error) from error
        if isinstance(outcome, LayerFacts) and outcome.is_provisional:
            for found in outcome.finds:
                if found.limit == FAULT:
                    _log.error("a reader of files failed", layer=str(digest), problem=found.problem)
            return outcome
        await self._knowledge.keep_layer(outcome)
        return outcome

    async def _read_back(self, running: RunningInspection, repository: Repository, digest: Digest) -> LayerOutcome:
        is_computed = digest.algorithm == _COMPUTED
        try:
            async with self._source.open_blob(repository, digest) as stream:
                if stream is None:
                    raise ManifestBlobUnknownError(
                        f"layer {digest} is not in repository {repository}; push it before the manifest"
                    )
                chunks = stream.chunks if is_computed else proven(stream.chunks, repository, digest)
                async for chunk in chunks:
                    await running.feed(chunk)
            facts = await running.finish()
        finally:
            await running.abandon()  # also what is recorded, or proven, needs no worker
        if not is_computed:  # the worker names it otherwise, but these bytes are proven
            return replace(facts, digest=digest)
        if facts.digest != digest:
            raise broken(repository, digest)
        return facts

    async def _prove(self, repository: Repository, digest: Digest) -> None:
        """A refusal is kept for ever, so the refused bytes must be those that the digest names."""
        seen = hashlib.new(digest.algorithm)
        async with self._source.open_blob(repository, digest) as stream:
            if stream is not None:
                async for chunk in stream.chunks:
                    await asyncio.to_thread(seen.update, chunk)
        if seen.hexdigest() != digest.hex:
            raise broken(repository, digest)


def largest_first(layers: Iterable[Descriptor]) -> tuple[Digest, ...]:
    """The order in which to read an image's layers: what is read beside the largest is done by then, and no worker has
    a large one left to itself.
    """
    return tuple(layer.digest for layer in sorted(layers, key=lambda layer: layer.size, reverse=True))


def _busy(digest: Digest, error: InspectionFailedError) -> BusyError:
    return BusyError(f"layer {digest} could not be inspected: {error}; try again")


def _refusal(digest: Digest, error: UnreadableLayerError) -> LayerRefusal:
    return LayerRefusal(digest, error.reason, error.entry, error.offset)
