"""The gate as its faces see it: every use case behind one value, put together once."""

import asyncio
from collections.abc import Callable, Iterable

from proxy.errors import NameUnknownError
from proxy.gate.content import on_record
from proxy.gate.deletion import Deletion
from proxy.gate.layers import LayerInspector, LayerObserver
from proxy.gate.listings import Listings
from proxy.gate.policy import PolicyInForce
from proxy.gate.pull import Pull
from proxy.gate.push import Push, PushedManifest
from proxy.gate.recalled import Recalled
from proxy.gate.upkeep import Upkeep
from proxy.identity.principal import Action, Caller
from proxy.upstream.port import StoredManifest, Upstream
from scanning.errors import InvalidContentError
from scanning.oci.digest import Digest
from scanning.oci.manifest import Descriptor
from scanning.oci.names import Reference, Repository, Tag
from scanning.oci.read import read_manifest
from scanning.oci.referrers import as_referrer
from scanning.verdict import Outcome
from storage import held_tags, manifests, verdicts
from storage.database import Database


class Gate:
    """What registry handlers call. Every method may raise the `UpstreamError` and `StorageError` families."""

    def __init__(
        self,
        database: Database,
        upstream: Upstream,
        layers: LayerInspector,
        push: Push,
        pull: Pull,
        deletion: Deletion,
        upkeep: Upkeep,
        policy: Callable[[], PolicyInForce],
    ) -> None:
        self._database = database
        self._upstream = upstream
        self._listings = Listings(upstream)
        self._layers = layers
        self._push = push
        self._pull = pull
        self._deletion = deletion
        self._policy = policy
        self.promotion = upkeep.promotion
        self.rescanning = upkeep.rescanning

    async def push_manifest(
        self, caller: Caller, repository: Repository, reference: Reference, content_type: str, body: bytes
    ) -> PushedManifest:
        """See `Push.push`."""
        return await self._push.push(caller, repository, reference, content_type, body)

    async def pull_manifest(
        self, caller: Caller, repository: Repository, reference: Reference, *, head: bool
    ) -> StoredManifest:
        """See `Pull.manifest`."""
        return await self._pull.manifest(caller, repository, reference, head=head)

    def recall_manifest(
        self, caller: Caller, repository: Repository, stored: StoredManifest, *, head: bool
    ) -> Recalled | None:
        """See `Pull.recall`."""
        return self._pull.recall(caller, repository, stored, head=head)

    def note_repeated(self, lines: bytes) -> None:
        """See `Pull.note_repeated`."""
        self._pull.note_repeated(lines)

    async def check_blob(self, caller: Caller, repository: Repository, digest: Digest) -> None:
        """See `Pull.check_blob`."""
        await self._pull.check_blob(caller, repository, digest)

    def redirects_blobs(self, repository: Repository) -> bool:
        """Whether the policy lets clients fetch this repository's blobs elsewhere."""
        rule = self._policy().policy.rule_for(repository.name)
        return rule is not None and rule.redirect_blobs

    async def admits_blob(self, repository: Repository, digest: Digest) -> bool:
        """See `Pull.admits_blob`."""
        return await self._pull.admits_blob(repository, digest)

    def bytes_uploaded(self, count: int) -> None:
        """See `LayerInspector.bytes_uploaded`."""
        self._layers.bytes_uploaded(count)

    async def observe_upload(self) -> LayerObserver | None:
        """See `LayerInspector.observe`."""
        return await self._layers.observe()

    def blob_uploaded(self, caller: Caller, repository: Repository, digest: Digest) -> None:
        """See `LayerInspector.inspect_ahead`."""
        self._layers.inspect_ahead(repository, digest, caller.principal.grant)

    async def referrers(self, caller: Caller, repository: Repository, subject: Digest) -> tuple[Descriptor, ...]:
        """What refers to `subject`, by digest: from the gate's own records and from the upstream.

        What is held, or was refused when it was last judged, is listed for those who may push only.
        """
        pusher = caller.principal.granted(Action.PUSH, repository)
        async with self._database.snapshot() as tx:
            own = await manifests.referrers(tx, repository, subject)
        found = [on_record(record) for record in own if pusher or not record.held]
        found += await self._upstream.referrers(repository, subject)
        listed = {stored.digest: stored for stored in found}
        if not pusher:
            async with self._database.snapshot() as tx:
                last = {digest: await verdicts.latest(tx, repository, digest) for digest in listed}
            refused = {digest for digest, verdict in last.items() if verdict and verdict.enforced is not Outcome.ADMIT}
            listed = {digest: stored for digest, stored in listed.items() if digest not in refused}
        return await asyncio.to_thread(_describe, tuple(listed.values()))

    async def tags(self, caller: Caller, repository: Repository, *, is_continued: bool = False) -> tuple[Tag, ...]:
        """All tags in lexical order, those held as well for those who may push. Where a list `is_continued`, the
        upstream's are those of a moment ago. Raises `NameUnknownError`.
        """
        upstream = await self._listings.tags(repository, is_continued=is_continued)
        held: tuple[Tag, ...] = ()
        if caller.principal.granted(Action.PUSH, repository):
            async with self._database.snapshot() as tx:
                held = await held_tags.of_repository(tx, repository)
        if upstream is None and not held:
            raise NameUnknownError(f"there is no repository {repository}")
        return tuple(sorted({*(upstream or ()), *held}))

    async def repositories(self, caller: Caller, *, is_continued: bool = False) -> tuple[Repository, ...]:
        """The repositories the caller may pull from, in lexical order (threat 22), as `tags` gives tags."""
        async with self._database.snapshot() as tx:
            known = await manifests.repositories(tx)
        everything = {*known, *await self._listings.repositories(is_continued=is_continued)}
        return tuple(sorted(name for name in everything if caller.principal.granted(Action.PULL, name)))

    async def delete_manifest(self, caller: Caller, repository: Repository, reference: Reference) -> None:
        """See `Deletion.delete`."""
        await self._deletion.delete(caller, repository, reference)

    async def delete_blob(self, caller: Caller, repository: Repository, digest: Digest) -> None:
        """See `Deletion.delete_blob`."""
        await self._deletion.delete_blob(caller, repository, digest)


def _describe(stored: Iterable[StoredManifest]) -> tuple[Descriptor, ...]:
    return tuple(_descriptors(stored))


def _descriptors(stored: Iterable[StoredManifest]) -> Iterable[Descriptor]:
    for item in sorted(stored, key=lambda item: item.digest):
        try:
            manifest = read_manifest(item.body, item.media_type, item.digest.algorithm)
        except InvalidContentError:
            continue  # an unreadable referrer is listed for nobody
        yield as_referrer(manifest)
