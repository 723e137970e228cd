"""Bills of materials beside images, as referrers, where the policy asks (`sbom.attach`).

    admission --proxy.gate.wanted_sboms--> wanted --in the background--> pushed as anybody would, judged, attached

The bytes are made of the verdict and of when the image was first seen, so doing it twice does it once. The first form
that the policy names has the tag besides under which cosign looks for bills of materials.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta

import structlog

from config.errors import ImagegateError
from config.patterns import EVERY_REPOSITORY
from proxy.clock import Clock
from proxy.errors import DeniedError
from proxy.gate.gate import Gate
from proxy.gate.inventory import bill_of_materials_of
from proxy.gate.policy import PolicyInForce
from proxy.identity.principal import Caller, Principal, Role
from proxy.upstream.port import Upstream, UpstreamRefusedError
from scanning.oci.digest import Digest
from scanning.oci.manifest import Descriptor
from scanning.oci.media_types import OCI_MANIFEST
from scanning.oci.names import Repository, Tag
from scanning.sbom import file_name, media_type
from scanning.sbom.artifact import EMPTY, cosign_tag, write_artifact
from storage import manifests, sboms
from storage.database import Database
from storage.manifest_record import ManifestRecord
from storage.sboms import WantedSbom

_ITSELF = Caller(Principal("", "imagegate", Role.DEVELOPER, (EVERY_REPOSITORY,)), "", "")
_PAUSES = timedelta(seconds=1), timedelta(minutes=10)
_REFUSED_PAUSES = timedelta(minutes=10), timedelta(hours=6)
"""The first and the longest."""
_WARN_FROM = 3
_log = structlog.get_logger(__name__)


class SbomAttachment:
    """Attaches what is wanted."""

    def __init__(
        self,
        database: Database,
        upstream: Upstream,
        gate: Gate,
        policy: Callable[[], PolicyInForce],
        clock: Clock,
    ) -> None:
        self._database = database
        self._upstream = upstream
        self._gate = gate
        self._policy = policy
        self._clock = clock

    async def keep_attaching(self, seconds: float = 1.0) -> None:
        """Attach what is wanted, every `seconds`, for ever."""
        while True:
            try:
                await self.attach_all()
            except ImagegateError as error:
                _log.warning("bills of materials wait", problem=str(error))
            await asyncio.sleep(seconds)

    async def attach_all(self) -> None:
        """Attach all that is wanted. What fails is tried again later, after longer and longer pauses: of ten minutes at
        most, and where the registry refuses it, of six hours.

        Raises the `StorageError` family.
        """
        async with self._database.snapshot() as tx:
            waiting = await sboms.waiting(tx)
        for wanted in waiting:
            if wanted.retry_at is not None and self._clock() < wanted.retry_at:
                continue
            try:
                await self._attach(wanted)
            except ImagegateError as error:
                pause = _pause(wanted.attempts, is_refused=isinstance(error, UpstreamRefusedError))
                async with self._database.transaction() as tx:
                    await sboms.failed(tx, wanted, self._clock() + pause)
                image = f"{wanted.repository}@{wanted.subject}"
                _log.warning("bill of materials not attached yet", image=image, form=wanted.form, problem=str(error))

    async def _attach(self, wanted: WantedSbom) -> None:
        rule = self._policy().policy.rule_for(wanted.repository.name)
        async with self._database.snapshot() as tx:
            image = await manifests.find(tx, wanted.repository, wanted.subject)
        if rule is None or wanted.form not in rule.sbom.attach or image is None:
            async with self._database.transaction() as tx:
                await sboms.give_up(tx, wanted)
            return
        try:
            artifact: Digest | None = await self._pushed(wanted, image, is_first=wanted.form == rule.sbom.attach[0])
        except DeniedError as error:  # recorded, as any refusal is
            _log.warning("bill of materials refused", image=f"{image.repository}@{image.digest}", problem=str(error))
            artifact = None
        async with self._database.transaction() as tx:
            is_there = await sboms.settle(tx, wanted, artifact)
        outdated = wanted.replaces if is_there else artifact
        if outdated is not None and not (is_there and outdated == artifact):
            await self._remove(wanted.repository, outdated)

    async def _pushed(self, wanted: WantedSbom, image: ManifestRecord, *, is_first: bool) -> Digest:
        document = await bill_of_materials_of(self._database, wanted.repository, wanted.verdict, wanted.form)
        subject = Descriptor(image.media_type, image.digest, len(image.body))
        kind, title = media_type(wanted.form), file_name(wanted.form)
        body = write_artifact(subject, kind, document, image.first_seen, title)
        for content in (EMPTY, document):
            await self._upload(wanted.repository, content)
        digest = Digest.of(body)
        tag = await self._free_tag(wanted) if is_first else None
        await self._gate.push_manifest(_ITSELF, wanted.repository, tag or digest, OCI_MANIFEST, body)
        return digest

    async def _free_tag(self, wanted: WantedSbom) -> Tag | None:
        """cosign's tag, unless somebody keeps a bill of materials of their own there."""
        tag = cosign_tag(wanted.subject)
        there = await self._upstream.get_manifest(wanted.repository, tag) if tag else None
        if there is None:
            return tag
        async with self._database.snapshot() as tx:
            own = await sboms.attached_to(tx, wanted.repository, wanted.subject)
        return tag if there.digest in own else None

    async def _upload(self, repository: Repository, content: bytes) -> None:
        digest = Digest.of(content)
        if await self._upstream.blob_size(repository, digest) == len(content):
            return
        upload = await self._upstream.begin_upload(repository)
        upload = await self._upstream.append(repository, upload, _once(content), length=len(content))
        await self._upstream.finish_upload(repository, upload, digest)

    async def _remove(self, repository: Repository, artifact: Digest) -> None:
        """Take back one that tells of older facts, or whose image was deleted meanwhile. It stays in registries that
        delete nothing.
        """
        try:
            await self._upstream.delete_manifest(repository, artifact)
        except ImagegateError as error:
            _log.warning("an outdated bill of materials stays", manifest=f"{repository}@{artifact}", problem=str(error))
            return
        async with self._database.transaction() as tx:
            await manifests.forget(tx, repository, artifact)


async def attachment_warnings(database: Database) -> tuple[str, ...]:
    """What an operator should know of bills of materials that cannot be attached. Raises the `StorageError` family."""
    async with database.snapshot() as tx:
        count = await sboms.failing(tx, _WARN_FROM)
    said = (
        f"{count} bills of materials could not be attached in {_WARN_FROM} attempts or more: the log says why; where"
        " the registry takes none, leave sbom.attach out of the policy's rule"
    )
    return (said,) if count else ()


def _pause(attempts: int, *, is_refused: bool) -> timedelta:
    """How long to wait after so many failures before this one."""
    first, longest = _REFUSED_PAUSES if is_refused else _PAUSES
    return min(first * (1 << min(attempts, 20)), longest)


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content
