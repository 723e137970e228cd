"""Somebody deletes a manifest, a tag or a blob: from the upstream, and from what the gate holds and remembers.

    on record who begins -> the upstream -> on record what became of it, in one transaction with what is forgotten

What the upstream refuses to delete, and still has, is on record as that. A beginning without an end was interrupted:
the upstream may have it no more. To delete it again ends it.

What a signature was deleted of is judged again before that is answered (threat 108), and not as it was if that fails.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial

from proxy.errors import BlobUnknownError, ConflictError, FixedTagError, ManifestUnknownError
from proxy.gate.content import on_record, parse_manifest
from proxy.gate.promotion import Promotion
from proxy.gate.tags import TagGuard
from proxy.gate.trail import Target, Trail
from proxy.identity.principal import Caller
from proxy.upstream.port import Upstream, UpstreamError, UpstreamRefusedError
from scanning.errors import InvalidContentError
from scanning.oci.digest import Digest
from scanning.oci.manifest import ManifestKind
from scanning.oci.names import Reference, Repository, Tag
from storage import held_tags, manifests, sboms, tag_history, tag_packages
from storage.audit import BEGUN, DENIED, REFUSED, Event
from storage.database import Database


class Deletion:
    """The use case."""

    def __init__(
        self, database: Database, upstream: Upstream, promotion: Promotion, guard: TagGuard, trail: Trail
    ) -> None:
        self._database = database
        self._upstream = upstream
        self._promotion = promotion
        self._guard = guard
        self._trail = trail

    async def delete(self, caller: Caller, repository: Repository, reference: Reference) -> None:
        """Delete a manifest with its tags, or one tag.

        Raises `ManifestUnknownError`, or `FixedTagError` where a tag must stay what it is.
        """
        target = Target(repository, reference)
        async with self._promotion.turn(repository):
            signed = await self._signed(repository, reference)
            async with self._refusals_recorded(caller, target):
                remarks = await self._guard.check_deletion(caller, repository, reference)
            detail = "; ".join(remarks)
            async with self._promotion.doubting(repository, signed):
                await self._begin(caller, target)
                if isinstance(reference, Tag):
                    found = await self._delete_tag(caller, repository, reference, detail)
                else:
                    found = await self._delete_manifest(caller, repository, reference, detail)
        if not found:
            raise ManifestUnknownError(f"{repository} has no manifest {reference}")
        for subject in signed:
            await self._promotion.reconsider(repository, subject)

    async def _signed(self, repository: Repository, reference: Reference) -> tuple[Digest, ...]:
        """What lacks a signature without what `reference` means."""
        if isinstance(reference, Tag):
            return await self._promotion.signed_under(repository, reference)
        async with self._database.snapshot() as tx:
            known = await manifests.find(tx, repository, reference)
            under = await tag_history.tags_of(tx, repository, reference)
        stored = on_record(known) if known is not None else await self._upstream.get_manifest(repository, reference)
        if stored is None:
            return ()
        try:
            manifest = await parse_manifest(stored.body, stored.media_type, stored.digest.algorithm)
        except InvalidContentError:
            return ()  # it is read as no signature either
        if manifest.kind is not ManifestKind.SIGNATURE:
            return ()
        refers_to = (manifest.subject.digest,) if manifest.subject else ()
        return tuple(dict.fromkeys((*refers_to, *await self._promotion.signed_under(repository, *under))))

    async def delete_blob(self, caller: Caller, repository: Repository, digest: Digest) -> None:
        """Delete a blob from the repository.

        Raises `BlobUnknownError`, `FixedTagError` where a tag that must stay needs it, or `ConflictError` where a
        signature does: without it, that would be none.
        """
        target = Target(repository, digest, digest)
        async with self._promotion.turn(repository):
            async with self._refusals_recorded(caller, target):
                remarks = await self._guard.check_blob_deletion(caller, repository, digest)
                await self._check_no_signature_needs(repository, digest)
            await self._begin(caller, target, "blob")
            find = partial(self._upstream.blob_size, repository, digest)
            async with self._upstreams_refusal_recorded(caller, target, find):
                gone = await self._upstream.delete_blob(repository, digest)
            async with self._database.transaction() as tx:
                outcome, detail = "deleted" if gone else "unknown", "; ".join(("blob", *remarks))
                await self._trail.write(tx, Event.DELETE, caller, target, outcome=outcome, detail=detail)
        if not gone:
            raise BlobUnknownError(f"there is no blob {digest} in {repository}")

    async def _begin(self, caller: Caller, target: Target, detail: str = "") -> None:
        """Put on record who is about to delete something, before the upstream is asked: nothing goes that nobody can be
        asked about, whatever fails after that. Raises the `StorageError` family.
        """
        async with self._database.transaction() as tx:
            await self._trail.write(tx, Event.DELETE, caller, target, outcome=BEGUN, detail=detail)

    @asynccontextmanager
    async def _refusals_recorded(self, caller: Caller, target: Target) -> AsyncIterator[None]:
        try:
            yield
        except (FixedTagError, ConflictError) as error:
            async with self._database.transaction() as tx:
                await self._trail.write(tx, Event.DELETE, caller, target, outcome=DENIED, detail=str(error))
            raise

    @asynccontextmanager
    async def _upstreams_refusal_recorded(
        self, caller: Caller, target: Target, find: Callable[[], Awaitable[object]]
    ) -> AsyncIterator[None]:
        """What the upstream refused to delete ends here, if it is found there. It may be gone, and something refused
        that belongs to it; and where the upstream does not answer, nobody knows.
        """
        try:
            yield
        except UpstreamRefusedError as error:
            found = None
            with suppress(UpstreamError):
                found = await find()
            if found is not None:
                async with self._database.transaction() as tx:
                    await self._trail.write(tx, Event.DELETE, caller, target, outcome=REFUSED, detail=str(error))
            raise

    async def _check_no_signature_needs(self, repository: Repository, blob: Digest) -> None:
        async with self._database.snapshot() as tx:
            made_of_it = await manifests.signatures_made_of(tx, repository, blob)
        if made_of_it:
            raise ConflictError(
                f"blob {blob} of {repository} cannot be deleted: the signature {made_of_it[0]} is made of it; delete"
                " that manifest first"
            )

    async def _delete_tag(self, caller: Caller, repository: Repository, tag: Tag, detail: str) -> bool:
        # A tag that only waits is not asked for: some registries answer with an error that they delete no tags.
        is_there = await self._upstream.get_manifest(repository, tag) is not None
        find = partial(self._upstream.get_manifest, repository, tag)
        async with self._upstreams_refusal_recorded(caller, Target(repository, tag), find):
            gone = is_there and await self._upstream.delete_tag(repository, tag)
        async with self._database.transaction() as tx:
            found = gone or await held_tags.find(tx, repository, tag) is not None
            await held_tags.drop(tx, repository, tag)
            await tag_history.forget_tag(tx, repository, tag)
            await tag_packages.forget(tx, repository, tag)
            outcome = "deleted" if found else "unknown"
            target = Target(repository, tag)
            await self._trail.write(tx, Event.DELETE, caller, target, outcome=outcome, detail=detail)
        return found

    async def _delete_manifest(self, caller: Caller, repository: Repository, digest: Digest, detail: str) -> bool:
        async with self._database.snapshot() as tx:
            attached = await sboms.attached_to(tx, repository, digest)
        find = partial(self._upstream.get_manifest, repository, digest)
        async with self._upstreams_refusal_recorded(caller, Target(repository, digest), find):
            gone = await self._upstream.delete_manifest(repository, digest)
        for artifact in attached:
            await self._upstream.delete_manifest(repository, artifact)
        async with self._database.transaction() as tx:
            for artifact in attached:
                await manifests.forget(tx, repository, artifact)
            found = await manifests.forget(tx, repository, digest) or gone
            await tag_history.forget_manifest(tx, repository, digest)
            outcome = "deleted" if found else "unknown"
            target = Target(repository, digest)
            await self._trail.write(tx, Event.DELETE, caller, target, outcome=outcome, detail=detail)
        self._promotion.deleted(repository, digest, *attached)
        return found
