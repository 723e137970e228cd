"""Manifests that the upstream has: those by digest are asked for once for all who ask at the same time."""

import asyncio

from proxy.gate.admissions import Admissions
from proxy.upstream.port import StoredManifest, Upstream
from scanning.oci.digest import Digest
from scanning.oci.names import Reference, Repository, Tag

_Asking = asyncio.Task[StoredManifest | None]


class Behind:
    """What is behind the gate, as one process asks for it."""

    def __init__(self, upstream: Upstream, admissions: Admissions) -> None:
        self._upstream = upstream
        self._admissions = admissions
        self._asking: dict[tuple[Repository, Digest, int], _Asking] = {}

    async def get(self, repository: Repository, reference: Reference) -> StoredManifest | None:
        """The manifest, if the upstream has it. Raises the `UpstreamError` family."""
        if isinstance(reference, Tag):
            return await self._upstream.get_manifest(repository, reference)
        return await self._get(repository, reference)

    async def _get(self, repository: Repository, digest: Digest) -> StoredManifest | None:
        # Nobody is given what was asked for before this process deleted something.
        key = repository, digest, self._admissions.moment.forgotten
        running = self._asking.get(key)
        if running is not None:
            found = await asyncio.shield(running)
            if found is not None:
                return found  # what is not there may have been pushed since it was asked for
        task = asyncio.create_task(self._upstream.get_manifest(repository, digest))
        self._asking[key] = task
        task.add_done_callback(lambda done: self._ended(key, done))
        return await asyncio.shield(task)

    def _ended(self, key: tuple[Repository, Digest, int], task: _Asking) -> None:
        if self._asking.get(key) is task:
            del self._asking[key]
        if not task.cancelled():
            task.exception()  # all who asked may have gone away
