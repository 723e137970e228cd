"""What was held goes upstream once its verdict allows it: a signature arrived, or policy or advisories changed."""

import asyncio
from collections.abc import Iterable

import structlog

from config.errors import ImagegateError
from proxy.gate.judgement import Judge, Judgement, record, record_manifest
from proxy.gate.trail import Target, Trail
from proxy.upstream.port import Upstream
from scanning.oci.digest import Digest
from scanning.oci.names import Reference, Repository
from scanning.oci.read import read_manifest
from scanning.verdict import Outcome
from storage import held_tags, manifests
from storage.audit import Event
from storage.database import Database

_log = structlog.get_logger(__name__)


class Promotion:
    """Judges held manifests again and lets them go."""

    def __init__(self, database: Database, upstream: Upstream, judge: Judge, trail: Trail) -> None:
        self._database = database
        self._upstream = upstream
        self._judge = judge
        self._trail = trail
        self._one_at_a_time = asyncio.Lock()

    async def publish(self, repository: Repository, judgement: Judgement, references: Iterable[Reference]) -> None:
        """Give an admitted manifest to the upstream under `references`, after what it lists."""
        for child in judgement.children:
            if child.held:
                await self.publish(repository, child, (child.manifest.digest,))
        for reference in references:
            await self._upstream.put_manifest(repository, reference, judgement.manifest.media_type, judgement.body)

    async def reconsider(self, repository: Repository, digest: Digest) -> None:
        """Judge a manifest again because a signature of it arrived, then the indexes that list it.

        A manifest the gate does not know is left alone: it is judged when somebody asks for it.
        """
        async with self._one_at_a_time:
            await self._reconsider(repository, digest)
            async with self._database.snapshot() as tx:
                parents = await manifests.parents(tx, repository, digest)
            for parent in parents:
                await self._reconsider(repository, parent)

    async def reconsider_all(self) -> None:
        """Judge everything that is held again: at start, and when policy or advisories changed.

        One that fails is logged and stays held.
        """
        async with self._database.snapshot() as tx:
            waiting = await manifests.held(tx)
        for repository, digest in waiting:
            try:
                await self.reconsider(repository, digest)
            except ImagegateError as error:
                _log.warning("still held", repository=str(repository), digest=str(digest), problem=str(error))

    async def _reconsider(self, repository: Repository, digest: Digest) -> None:
        async with self._database.snapshot() as tx:
            known = await manifests.find(tx, repository, digest)
            tags = await held_tags.of(tx, repository, digest)
        if known is None:
            return
        manifest = read_manifest(known.body, known.media_type)
        judgement = await self._judge.judge(repository, manifest, known.body)
        promoted = judgement.verdict.enforced is Outcome.ADMIT and (known.held or bool(tags))
        if promoted:
            await self.publish(repository, judgement, (digest, *tags))
        async with self._database.transaction() as tx:
            await record(tx, repository, judgement)
            if not promoted:
                return
            await record_manifest(tx, repository, judgement, held=False)
            for tag in tags:
                await held_tags.drop(tx, repository, tag, digest)
            target = Target(repository, digest, digest)
            names = ", ".join(tag.name for tag in tags)
            await self._trail.write(tx, Event.PROMOTE, None, target, verdict=judgement.verdict, detail=names)
