"""Which tags must stay what they are: those the policy calls immutable, and all of them for who may only create.

A tag that means nothing yet may be set, and set again to what it means. Tags that list what refers to a manifest
(`sha256-….sig` and the referrers tag) grow with every signature and are never fixed; who may only create lets them
grow, and takes nothing from them: an image would lose what it was signed with.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from config.vocabulary import Mode
from proxy.errors import FixedTagError
from proxy.gate.content import on_record, parse_manifest
from proxy.gate.policy import PolicyInForce
from proxy.identity.principal import Caller, Role
from proxy.upstream.port import StoredManifest, Upstream
from scanning.errors import InvalidContentError
from scanning.oci.digest import Digest
from scanning.oci.manifest import Descriptor, Manifest, ManifestKind
from scanning.oci.names import Reference, Repository, Tag, is_referrers_tag
from scanning.signatures.discover import MAX_SIGNATURES_PER_MANIFEST, signature_layers
from scanning.verdict import Outcome
from storage import held_tags, manifests, verdicts
from storage.database import Database

_AT_ONCE = 8
"""How many tags the upstream is asked for at the same time."""
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class _Fixed:
    """Why a tag must stay; `enforced` is False where the policy only records what it would have refused."""

    why: str
    enforced: bool = True


class TagGuard:
    """Call it in the turn of the repository, so that what a tag means does not change between question and deed."""

    def __init__(self, database: Database, upstream: Upstream, policy: Callable[[], PolicyInForce]) -> None:
        self._database = database
        self._upstream = upstream
        self._policy = policy

    async def check_setting(
        self, caller: Caller, repository: Repository, reference: Reference, manifest: Manifest
    ) -> tuple[str, ...]:
        """Return if `caller` may let `reference` mean `manifest`, with what audit mode would have refused.

        Raises `FixedTagError` (threat 19).
        """
        if not isinstance(reference, Tag):
            return ()
        if is_referrers_tag(reference):
            await self._check_growth(caller, repository, reference, manifest)
            return ()
        fixed = self._fixed(caller, repository, reference)
        if fixed is None:
            return ()
        means = await self._meaning(repository, reference)
        if means is None or means == manifest.digest:
            return ()
        return _refuse(fixed, f"{repository}:{reference} means {means} and cannot be moved", "push under another tag")

    async def _check_growth(self, caller: Caller, repository: Repository, tag: Tag, manifest: Manifest) -> None:
        """Return unless `caller` may only create, and `manifest` lacks something that the list under `tag` has."""
        if caller.principal.role is not Role.CREATOR:
            return
        means = await self._meant(repository, tag)
        if means is None or means.digest == manifest.digest:
            return
        try:
            listed = await parse_manifest(means.body, means.media_type, means.digest.algorithm)
            is_list = listed.kind is not ManifestKind.IMAGE and listed.kind is manifest.kind
            grows = is_list and _parts(listed) <= _parts(manifest) and _read(listed) <= _read(manifest)
        except InvalidContentError:
            grows = False
        if not grows:
            raise FixedTagError(
                f"{repository}:{tag} means {means.digest}, and this would take something from that list, or have it no"
                f" more among the last {MAX_SIGNATURES_PER_MANIFEST}, which are read: the token"
                f" {caller.principal.name!r} may create tags and only add to such lists; add to what is there, or have"
                " a developer replace it"
            )

    async def check_promotion(self, repository: Repository, tag: Tag, digest: Digest) -> None:
        """Return if `tag` may come to mean `digest`, for which it has waited.

        Raises `FixedTagError` where it is immutable and came to mean something else meanwhile.
        """
        fixed = self._immutable(repository, tag)
        if fixed is None or not fixed.enforced:
            return
        stored = await self._upstream.get_manifest(repository, tag)
        if stored is not None and stored.digest != digest:
            _refuse(fixed, f"{repository}:{tag} means {stored.digest} and cannot be moved", "push under another tag")

    async def check_deletion(self, caller: Caller, repository: Repository, reference: Reference) -> tuple[str, ...]:
        """Return if `caller` may delete `reference`, with what audit mode would have refused.

        A manifest stays with the tags that mean it, or an index that lists it. Raises `FixedTagError` (threat 20).
        """
        if isinstance(reference, Tag):
            fixed = self._fixed(caller, repository, reference)
            if fixed is None or await self._meaning(repository, reference) is None:
                return ()
            return _refuse(fixed, f"{repository}:{reference} cannot be deleted", "ask an admin to change the policy")
        return await self._check_loss(caller, repository, (reference,), f"{repository}@{reference}")

    async def check_blob_deletion(self, caller: Caller, repository: Repository, digest: Digest) -> tuple[str, ...]:
        """Return if `caller` may delete a blob, with what audit mode would have refused.

        A blob stays with the manifests that need it. Raises `FixedTagError`.
        """
        async with self._database.snapshot() as tx:
            holders = await manifests.holders(tx, repository, digest)
        return await self._check_loss(caller, repository, holders, f"blob {digest} of {repository}")

    async def _check_loss(
        self, caller: Caller, repository: Repository, lost: Iterable[Digest], what: str
    ) -> tuple[str, ...]:
        """No fixed tag means one of `lost`, or an index that lists one."""
        candidates = await self._fixed_tags(caller, repository)
        if not candidates:
            return ()
        async with self._database.snapshot() as tx:
            broken = {one for digest in lost for one in (digest, *await manifests.ancestors(tx, repository, digest))}
        meant = [tag for tag, means in await self._meanings(repository, candidates) if means in broken]
        if not meant:
            return ()
        names = ", ".join(tag.name for tag in meant[:_SHOWN])
        more = f" and {len(meant) - _SHOWN} more" if len(meant) > _SHOWN else ""
        enforced = any(candidates[tag].enforced for tag in meant)
        return _refuse(
            _Fixed(candidates[meant[0]].why, enforced),
            f"{what} cannot be deleted: {names}{more} would lose what they mean",
            "ask an admin to change the policy",
        )

    def _fixed(self, caller: Caller, repository: Repository, tag: Tag) -> _Fixed | None:
        immutable = self._immutable(repository, tag)
        if immutable is None and caller.principal.role is Role.CREATOR and not is_referrers_tag(tag):
            return _Fixed(f"the token {caller.principal.name!r} may create tags and not change them")
        return immutable

    def _immutable(self, repository: Repository, tag: Tag) -> _Fixed | None:
        rule = self._policy().policy.rule_for(repository.name)
        if rule is None or is_referrers_tag(tag) or not rule.tags.is_immutable(tag.name):
            return None
        return _Fixed("it is immutable [tags.immutable]", rule.mode is Mode.ENFORCE)

    async def _fixed_tags(self, caller: Caller, repository: Repository) -> dict[Tag, _Fixed]:
        rule = self._policy().policy.rule_for(repository.name)
        if rule is None or not rule.tags.immutable:
            return {}
        async with self._database.snapshot() as tx:
            held = await held_tags.of_repository(tx, repository)
        every = sorted({*held, *(await self._upstream.tags(repository) or ())})
        found = ((tag, self._fixed(caller, repository, tag)) for tag in every)
        return {tag: fixed for tag, fixed in found if fixed is not None}

    async def _meanings(self, repository: Repository, tags: Iterable[Tag]) -> list[tuple[Tag, Digest | None]]:
        places = asyncio.Semaphore(_AT_ONCE)

        async def meaning(tag: Tag) -> tuple[Tag, Digest | None]:
            async with places:
                return tag, await self._meaning(repository, tag)

        async with asyncio.TaskGroup() as group:
            asked = [group.create_task(meaning(tag)) for tag in tags]
        return [task.result() for task in asked]

    async def _meaning(self, repository: Repository, tag: Tag) -> Digest | None:
        means = await self._meant(repository, tag)
        return means.digest if means else None

    async def _meant(self, repository: Repository, tag: Tag) -> StoredManifest | None:
        """What pushers get under a tag. One that waits for what was refused meanwhile means nothing to anybody."""
        async with self._database.snapshot() as tx:
            held = await held_tags.find(tx, repository, tag)
            verdict = await verdicts.latest(tx, repository, held) if held else None
            known = await manifests.find(tx, repository, held) if held else None
        if known is not None and (verdict is None or verdict.enforced is not Outcome.REJECT):
            return on_record(known)
        return await self._upstream.get_manifest(repository, tag)


_Part = tuple[str, Digest, tuple[tuple[str, str], ...]]


def _parts(manifest: Manifest) -> Counter[_Part]:
    """What a list of referrers is made of: signatures are layers, and told apart by their annotations."""
    return _count((*manifest.layers, *manifest.children))


def _read(manifest: Manifest) -> Counter[_Part]:
    """What of it is read as signatures."""
    return _count(signature_layers(manifest))


def _count(parts: Iterable[Descriptor]) -> Counter[_Part]:
    return Counter((part.media_type, part.digest, tuple(sorted(part.annotations.items()))) for part in parts)


def _refuse(fixed: _Fixed, what: str, remedy: str) -> tuple[str, ...]:
    if fixed.enforced:
        raise FixedTagError(f"{what}: {fixed.why}; {remedy}")
    return (f"audit mode, would be refused: {what}: {fixed.why}",)
